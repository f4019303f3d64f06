use super::*;

#[test]
fn only_a_collation_without_a_character_set_is_inherited() {
    for (line, expected) in [
        ("  `v` varchar(20) COLLATE utf8mb4_bin DEFAULT NULL,", "  `v` varchar(20) DEFAULT NULL,"),
        ("  `t` text COLLATE utf8mb4_bin,", "  `t` text,"),
        ("  `t` text COLLATE utf8mb4_bin", "  `t` text"),
        ("  `e` enum('a) COLLATE x','''') COLLATE utf8mb4_bin NOT NULL,", "  `e` enum('a) COLLATE x','''') NOT NULL,"),
        ("  `a``b COLLATE x` char(1) COLLATE c", "  `a``b COLLATE x` char(1)"),
        (
            "  `v` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin,",
            "  `v` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin,",
        ),
        ("  `v` varchar(20) DEFAULT ' COLLATE utf8mb4_bin',", "  `v` varchar(20) DEFAULT ' COLLATE utf8mb4_bin',"),
        (
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        ),
        ("  KEY `k` (`a`)", "  KEY `k` (`a`)"),
    ] {
        assert_eq!(without_inherited(line), expected);
    }
}
