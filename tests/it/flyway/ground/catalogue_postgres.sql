WITH mine AS (
  SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
  SELECT c.*, m.nspname, format('%I.%I', m.nspname, c.relname) AS name FROM pg_class c JOIN mine m ON m.oid = c.relnamespace
)
SELECT line FROM (
  SELECT concat_ws(' ', 'schema', n.nspname, n.nspowner::regrole, n.nspacl) FROM pg_namespace n JOIN mine USING (oid)
  UNION ALL
  SELECT concat_ws(' ', 'relation', name, relkind, relpersistence, relowner::regrole, relacl, reloptions, relrowsecurity) FROM relation
  UNION ALL
  SELECT concat_ws(' ', 'column', name, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                   a.attgenerated, a.attcollation::regcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid))
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  UNION ALL
  SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(c.oid), convalidated)
    FROM pg_constraint c JOIN mine m ON m.oid = c.connamespace
  UNION ALL
  SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready) FROM pg_index i JOIN relation r ON r.oid = i.indexrelid
  UNION ALL
  SELECT concat_ws(' ', 'view', name, pg_get_viewdef(oid)) FROM relation WHERE relkind IN ('v', 'm')
  UNION ALL
  SELECT concat_ws(' ', 'sequence', name, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
    FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
  UNION ALL
  SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT concat_ws(' ', 'rule', pg_get_ruledef(u.oid)) FROM pg_rewrite u JOIN relation r ON r.oid = u.ev_class
  UNION ALL
  SELECT concat_ws(' ', 'routine', pg_get_functiondef(p.oid), p.proowner::regrole, p.proacl)
    FROM pg_proc p JOIN mine m ON m.oid = p.pronamespace WHERE p.prokind IN ('f', 'p')
  UNION ALL
  SELECT concat_ws(' ', 'type', format_type(t.oid, NULL), t.typowner::regrole, e.enumlabel, e.enumsortorder)
    FROM pg_type t JOIN mine m ON m.oid = t.typnamespace LEFT JOIN pg_enum e ON e.enumtypid = t.oid
  UNION ALL
  SELECT concat_ws(' ', 'extension', extname, extversion) FROM pg_extension
  UNION ALL
  SELECT concat_ws(' ', 'comment', r.name, d.objsubid, d.description) FROM pg_description d JOIN relation r ON r.oid = d.objoid
) AS lines (line) ORDER BY line COLLATE "C"
