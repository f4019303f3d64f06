use super::*;

#[test]
fn plain_indexes_wait_in_their_order() {
    let sql = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a`),\n  \
               KEY `k2` (`a`,`id`),\n  KEY `k1` (`id` DESC) COMMENT 'x,',\n  CONSTRAINT `c` CHECK ((`a` > 0))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
    let (table, indexes) = deferred("t", sql).unwrap();
    assert_eq!(
        table,
        "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a`),\n  \
         CONSTRAINT `c` CHECK ((`a` > 0))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    );
    assert_eq!(indexes, "ALTER TABLE `t`\n  ADD KEY `k2` (`a`,`id`),\n  ADD KEY `k1` (`id` DESC) COMMENT 'x,'");
}

#[test]
fn the_last_comma_goes_with_the_last_index() {
    let sql = "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=InnoDB";
    let (table, _) = deferred("t", sql).unwrap();
    assert_eq!(table, "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB");
}

#[test]
fn what_something_leans_on_stays() {
    for sql in [
        "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB",
        "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=MyISAM",
        "CREATE TABLE `t` (\n  `a` int NOT NULL AUTO_INCREMENT,\n  KEY `k` (`a`)\n) ENGINE=InnoDB",
        "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)\n) ENGINE=InnoDB",
        "CREATE TABLE `t` (\n  `a` text,\n  KEY `k` (`a`(3)),\n  FULLTEXT KEY `f` (`a`)\n) ENGINE=InnoDB",
    ] {
        assert_eq!(deferred("t", sql), None, "{sql}");
    }
}

#[test]
fn what_is_in_quotes_is_no_part_of_a_definition() {
    let sql = "CREATE TABLE `t` (\n  `a` int NOT NULL COMMENT 'not an AUTO_INCREMENT',\n  `b` int NOT NULL AUTO_INCREMENT,\n  \
               PRIMARY KEY (`a`),\n  KEY `b` (`b`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='x AUTO_INCREMENT=7 y'";
    assert_eq!(deferred("t", sql), None);
    // A column whose name begins like the counter's.
    let sql = "CREATE TABLE `t` (\n  `a` int NOT NULL AUTO_INCREMENT,\n  `a``x` int NOT NULL,\n  \
               PRIMARY KEY (`a``x`),\n  KEY `a` (`a`)\n) ENGINE=InnoDB";
    assert_eq!(deferred("t", sql), None);
    let sql = "CREATE TABLE `t` (\n  `a``` int NOT NULL AUTO_INCREMENT,\n  `b AUTO_INCREMENT` varchar(40) DEFAULT ' AUTO_INCREMENT',\n  \
               `c\n  KEY ` int COMMENT 'a\n) ENGINE=InnoDB, WITH SYSTEM VERSIONING',\n  PRIMARY KEY (`a```),\n  \
               KEY `k FOREIGN KEY (` (`c\n  KEY `) COMMENT 'it''s\\\\'\n) ENGINE=InnoDB COMMENT='\n) ENGINE=InnoDB'";
    let (table, indexes) = deferred("t", sql).unwrap();
    assert_eq!(
        table,
        "CREATE TABLE `t` (\n  `a``` int NOT NULL AUTO_INCREMENT,\n  `b AUTO_INCREMENT` varchar(40) DEFAULT ' AUTO_INCREMENT',\n  \
         `c\n  KEY ` int COMMENT 'a\n) ENGINE=InnoDB, WITH SYSTEM VERSIONING',\n  PRIMARY KEY (`a```)\n) ENGINE=InnoDB COMMENT='\n) ENGINE=InnoDB'"
    );
    assert_eq!(indexes, "ALTER TABLE `t`\n  ADD KEY `k FOREIGN KEY (` (`c\n  KEY `) COMMENT 'it''s\\\\'");
}
