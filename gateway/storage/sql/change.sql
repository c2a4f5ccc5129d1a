-- name: insert_change_records
INSERT INTO change (workspace_id, profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id)
SELECT $1, profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id
  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::uuid[])
       AS new (profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id)
