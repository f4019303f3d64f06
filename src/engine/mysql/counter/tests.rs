use super::*;

#[test]
fn counters_are_read_from_the_options_only() {
    let sql = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT COMMENT '\n) AUTO_INCREMENT=9'\n) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4";
    assert_eq!(auto_increment(sql), Some("42"));
    assert_eq!(auto_increment("CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB"), None);
    assert_eq!(without_counter(sql), sql.replace("=42", "").replace("InnoDB AUTO_INCREMENT", "InnoDB"));
    let comment =
        "CREATE TABLE `t` (\n  `id` int COMMENT 'AUTO_INCREMENT=1'\n) ENGINE=InnoDB COMMENT='it''s\n) AUTO_INCREMENT=9 \\\\'";
    assert_eq!((auto_increment(comment), without_counter(comment).as_str()), (None, comment));
}
