-- Rows like those of a metadata catalogue, about 1.5 GB at scale 1: JSON documents with stored generated columns, a wide
-- relation table, a time series and an event log.   psql -v scale=1 -f openmetadata_like_postgres.sql DATABASE
\set ON_ERROR_STOP on
\if :{?scale}
\else
\set scale 1
\endif
CREATE TABLE table_entity (
  id varchar(36) GENERATED ALWAYS AS (json ->> 'id') STORED NOT NULL PRIMARY KEY,
  name varchar(256) GENERATED ALWAYS AS (json ->> 'name') STORED NOT NULL,
  fqnhash varchar(768), json jsonb NOT NULL,
  updatedat bigint GENERATED ALWAYS AS ((json ->> 'updatedAt')::bigint) STORED NOT NULL,
  updatedby varchar(256) GENERATED ALWAYS AS (json ->> 'updatedBy') STORED NOT NULL,
  deleted boolean GENERATED ALWAYS AS ((json ->> 'deleted')::boolean) STORED);
CREATE TABLE entity_relationship (
  fromid varchar(36) NOT NULL, toid varchar(36) NOT NULL, fromentity varchar(256) NOT NULL, toentity varchar(256) NOT NULL,
  relation smallint NOT NULL, jsonschema varchar(256), json jsonb, deleted boolean DEFAULT false,
  PRIMARY KEY (fromid, toid, relation));
CREATE TABLE entity_extension_time_series (
  entityfqnhash varchar(768), extension varchar(256) NOT NULL, jsonschema varchar(256) NOT NULL, json jsonb NOT NULL,
  timestamp bigint GENERATED ALWAYS AS ((json ->> 'timestamp')::bigint) STORED);
CREATE TABLE change_event (
  eventtype varchar(36) GENERATED ALWAYS AS (json ->> 'eventType') STORED NOT NULL,
  eventtime bigint GENERATED ALWAYS AS ((json ->> 'timestamp')::bigint) STORED NOT NULL, json jsonb NOT NULL);
INSERT INTO table_entity (fqnhash, json)
SELECT md5(i::text) || md5((i / 100)::text),
  jsonb_build_object('id', md5('t' || i)::uuid::text, 'name', 'table_' || i,
    'fullyQualifiedName', 'svc.db' || i % 10 || '.schema' || i % 100 || '.table_' || i,
    'updatedAt', 1700000000000 + i, 'updatedBy', 'admin', 'deleted', false, 'version', 0.1,
    'description', 'Customer ' || md5(random()::text) || ' facts about orders and shipments, refreshed nightly by pipeline ' || i,
    'columns', (SELECT jsonb_agg(jsonb_build_object('name', 'col_' || c,
      'dataType', (ARRAY['BIGINT', 'VARCHAR', 'TIMESTAMP', 'DOUBLE'])[1 + (c + i) % 4], 'dataLength', (c * i) % 256,
      'fullyQualifiedName', 'svc.db.schema.table_' || i || '.col_' || c, 'description', md5((i * c)::text),
      'tags', '[]'::jsonb, 'constraint', 'NULL')) FROM generate_series(1, 15) c))
FROM generate_series(1, 150000 * :scale) i;
INSERT INTO entity_relationship
SELECT md5('t' || i)::uuid::text, md5('c' || i || '-' || r)::uuid::text, 'table', 'tag', r, NULL, NULL, false
FROM generate_series(1, 300000 * :scale) i, generate_series(1, 5) r;
INSERT INTO entity_extension_time_series (entityfqnhash, extension, jsonschema, json)
SELECT md5((i % 150000)::text), 'table.tableProfile', 'tableProfile',
  jsonb_build_object('timestamp', 1700000000000 + i, 'rowCount', (random() * 1e6)::int, 'columnCount', 15,
    'sizeInByte', (random() * 1e9)::int, 'profileSample', random())
FROM generate_series(1, 1500000 * :scale) i;
INSERT INTO change_event (json)
SELECT jsonb_build_object('eventType', 'entityUpdated', 'entityType', 'table', 'timestamp', 1700000000000 + i,
  'userName', 'ingestion-bot', 'entityId', md5('t' || i)::uuid::text,
  'changeDescription', jsonb_build_object('fieldsUpdated', jsonb_build_array(jsonb_build_object('name', 'description',
    'oldValue', md5(i::text), 'newValue', md5((i + 1)::text))), 'previousVersion', 0.1),
  'entity', md5(random()::text) || md5(random()::text) || md5(random()::text))
FROM generate_series(1, 600000 * :scale) i;
CREATE INDEX ON entity_extension_time_series (entityfqnhash, extension, timestamp);
CREATE INDEX ON entity_relationship (toid, relation);
CREATE INDEX ON change_event (eventtime);
VACUUM ANALYZE;
