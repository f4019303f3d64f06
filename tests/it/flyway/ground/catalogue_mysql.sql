SELECT CONCAT('SHOW CREATE ', IF(table_type LIKE '%VIEW', 'VIEW', 'TABLE'), ' `', REPLACE(table_name, '`', '``'), '`')
  FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'upkeep_migration_progress'
UNION ALL
SELECT CONCAT('SHOW CREATE ', routine_type, ' `', REPLACE(routine_name, '`', '``'), '`')
  FROM information_schema.routines WHERE routine_schema = DATABASE()
UNION ALL
SELECT CONCAT('SHOW CREATE EVENT `', REPLACE(event_name, '`', '``'), '`') FROM information_schema.events WHERE event_schema = DATABASE()
UNION ALL
SELECT CONCAT('SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement FROM information_schema.triggers ',
              'WHERE trigger_schema = DATABASE() AND trigger_name = ''', REPLACE(trigger_name, '''', ''''''), '''')
  FROM information_schema.triggers WHERE trigger_schema = DATABASE()
ORDER BY 1
