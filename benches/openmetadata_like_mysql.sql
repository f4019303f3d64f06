-- Rows like those of a metadata catalogue, about 1.3 GB at scale 1: JSON documents with stored and virtual generated
-- columns, a wide relation table, a time series and an event log. For MySQL 8 and later.
--   (echo 'SET @scale = 1;'; cat openmetadata_like_mysql.sql) | mysql DATABASE
SET @scale = coalesce(@scale, 1);
SET SESSION cte_max_recursion_depth = 10000000;
CREATE TABLE seq (i int PRIMARY KEY);
INSERT INTO seq WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < 1500000 * @scale) SELECT i FROM s;
CREATE TABLE table_entity (
  id varchar(36) GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.id'))) STORED NOT NULL,
  name varchar(256) GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.name'))) VIRTUAL NOT NULL,
  fqnHash varchar(768) CHARACTER SET ascii COLLATE ascii_bin, json json NOT NULL,
  updatedAt bigint unsigned GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.updatedAt'))) VIRTUAL NOT NULL,
  deleted tinyint GENERATED ALWAYS AS (json_extract(json, '$.deleted')) VIRTUAL,
  created_at bigint DEFAULT ((unix_timestamp(now(3)) * 1000)), PRIMARY KEY (id));
CREATE TABLE entity_relationship (
  fromId varchar(36) NOT NULL, toId varchar(36) NOT NULL, fromEntity varchar(256) NOT NULL, toEntity varchar(256) NOT NULL,
  relation tinyint NOT NULL, jsonSchema varchar(256), json json, deleted boolean DEFAULT false,
  PRIMARY KEY (fromId, toId, relation), KEY (toId, relation));
CREATE TABLE entity_extension_time_series (
  entityFQNHash varchar(768) CHARACTER SET ascii COLLATE ascii_bin, extension varchar(256) NOT NULL, jsonSchema varchar(256) NOT NULL,
  json json NOT NULL, timestamp bigint unsigned GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.timestamp'))) VIRTUAL NOT NULL);
CREATE TABLE change_event (
  eventType varchar(36) GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.eventType'))) VIRTUAL NOT NULL,
  eventTime bigint unsigned GENERATED ALWAYS AS (json_unquote(json_extract(json, '$.timestamp'))) VIRTUAL NOT NULL, json json NOT NULL);
INSERT INTO table_entity (fqnHash, json)
SELECT concat(left(sha2(i, 256), 32), left(sha2(i div 100, 256), 32)),
  json_object('id', left(sha2(concat('t', i), 256), 32), 'name', concat('table_', i),
    'fullyQualifiedName', concat('svc.db', i % 10, '.schema', i % 100, '.table_', i), 'updatedAt', 1700000000000 + i,
    'updatedBy', 'admin', 'deleted', 0, 'version', 0.1,
    'description', concat('Customer ', left(sha2(rand(), 256), 32), ' facts about orders and shipments, refreshed nightly by pipeline ', i),
    'columns', json_array(
    json_object('name', 'col_1', 'dataType', 'BIGINT', 'dataLength', (i * 1) % 256, 'description', left(sha2(i * 1, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_1')),
    json_object('name', 'col_2', 'dataType', 'BIGINT', 'dataLength', (i * 2) % 256, 'description', left(sha2(i * 2, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_2')),
    json_object('name', 'col_3', 'dataType', 'BIGINT', 'dataLength', (i * 3) % 256, 'description', left(sha2(i * 3, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_3')),
    json_object('name', 'col_4', 'dataType', 'BIGINT', 'dataLength', (i * 4) % 256, 'description', left(sha2(i * 4, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_4')),
    json_object('name', 'col_5', 'dataType', 'BIGINT', 'dataLength', (i * 5) % 256, 'description', left(sha2(i * 5, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_5')),
    json_object('name', 'col_6', 'dataType', 'BIGINT', 'dataLength', (i * 6) % 256, 'description', left(sha2(i * 6, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_6')),
    json_object('name', 'col_7', 'dataType', 'BIGINT', 'dataLength', (i * 7) % 256, 'description', left(sha2(i * 7, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_7')),
    json_object('name', 'col_8', 'dataType', 'BIGINT', 'dataLength', (i * 8) % 256, 'description', left(sha2(i * 8, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_8')),
    json_object('name', 'col_9', 'dataType', 'BIGINT', 'dataLength', (i * 9) % 256, 'description', left(sha2(i * 9, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_9')),
    json_object('name', 'col_10', 'dataType', 'BIGINT', 'dataLength', (i * 10) % 256, 'description', left(sha2(i * 10, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_10')),
    json_object('name', 'col_11', 'dataType', 'BIGINT', 'dataLength', (i * 11) % 256, 'description', left(sha2(i * 11, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_11')),
    json_object('name', 'col_12', 'dataType', 'BIGINT', 'dataLength', (i * 12) % 256, 'description', left(sha2(i * 12, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_12')),
    json_object('name', 'col_13', 'dataType', 'BIGINT', 'dataLength', (i * 13) % 256, 'description', left(sha2(i * 13, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_13')),
    json_object('name', 'col_14', 'dataType', 'BIGINT', 'dataLength', (i * 14) % 256, 'description', left(sha2(i * 14, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_14')),
    json_object('name', 'col_15', 'dataType', 'BIGINT', 'dataLength', (i * 15) % 256, 'description', left(sha2(i * 15, 256), 32), 'tags', json_array(), 'constraint', 'NULL', 'fullyQualifiedName', concat('svc.db.schema.table_', i, '.col_15'))))
FROM seq WHERE i <= 150000 * @scale;
INSERT INTO entity_relationship
SELECT left(sha2(concat('t', i), 256), 32), left(sha2(concat('c', i), 256), 32), 'table', 'tag', i % 10, NULL, NULL, false FROM seq;
INSERT INTO entity_extension_time_series (entityFQNHash, extension, jsonSchema, json)
SELECT left(sha2(i % 150000, 256), 32), 'table.tableProfile', 'tableProfile',
  json_object('timestamp', 1700000000000 + i, 'rowCount', floor(rand() * 1e6), 'columnCount', 15,
    'sizeInByte', floor(rand() * 1e9), 'profileSample', rand()) FROM seq;
INSERT INTO change_event (json)
SELECT json_object('eventType', 'entityUpdated', 'entityType', 'table', 'timestamp', 1700000000000 + i, 'userName', 'ingestion-bot',
  'entityId', left(sha2(concat('t', i), 256), 32), 'oldValue', left(sha2(i, 256), 32), 'newValue', left(sha2(i + 1, 256), 32),
  'entity', concat(left(sha2(rand(), 256), 32), left(sha2(rand(), 256), 32), left(sha2(rand(), 256), 32))) FROM seq WHERE i <= 600000 * @scale;
DROP TABLE seq;
