use super::*;

#[test]
fn gives_flyways_keys() {
    for (table, hash, key) in [
        (r#""public"."flyway_schema_history""#, 2_125_624_436, 77_433_833_903_597),
        (r#""public"."DATABASE_CHANGE_LOG""#, -2_103_005_996, 77_429_605_273_165),
    ] {
        assert_eq!((java_hash(table), postgres_key(table)), (hash, key), "{table}");
    }
    // MySQL's lock is named after the same hash.
    assert_eq!(java_hash("`openmetadata_db`.`DATABASE_CHANGE_LOG`"), -19_921_323);
    assert_eq!(java_hash("😀"), 1_772_899, "two UTF-16 units");
}

#[test]
fn mysqls_lock_has_flyways_name() {
    assert_eq!(mysql_name("`openmetadata_db`.`DATABASE_CHANGE_LOG`"), "Flyway--19921323");
}
