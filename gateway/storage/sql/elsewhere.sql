-- Asked of somebody else's server: what the role may do that the gateway was given there. Every Postgres that is still maintained understands it.

-- name: role_elsewhere
-- Of every role it can become, inherited or not.
SELECT session_user::text AS name,
       array_remove(ARRAY[
           CASE WHEN bool_or(r.rolsuper) THEN 'superuser' END,
           CASE WHEN bool_or(r.rolbypassrls) THEN 'BYPASSRLS' END,
           CASE WHEN bool_or(r.rolreplication) THEN 'REPLICATION' END,
           CASE WHEN bool_or(r.rolcreaterole) THEN 'CREATEROLE' END,
           CASE WHEN bool_or(r.rolname IN ('pg_write_all_data', 'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
                                           'pg_signal_backend', 'pg_maintain'))
                THEN 'a member of a predefined role that writes, signals or reads files' END], NULL) AS powers
  FROM pg_roles r
 WHERE pg_has_role(session_user, r.oid, 'MEMBER')

-- name: writable_elsewhere
SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
   AND EXISTS (SELECT FROM pg_roles r
                WHERE pg_has_role(session_user, r.oid, 'MEMBER')
                  AND (has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')))
 ORDER BY 1
 LIMIT 3
