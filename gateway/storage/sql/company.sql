-- name: memberships_by_profile
SELECT m.profile_id, m.role, m.is_main, m.since, c.id, c.version, c.name, c.domain
  FROM membership m
  JOIN company c ON c.workspace_id = m.workspace_id AND c.id = m.company_id
 WHERE m.workspace_id = $1 AND m.profile_id = any($2::uuid[])
 ORDER BY m.profile_id, m.is_main DESC, m.since, m.company_id

-- name: companies_by_id
SELECT id, version, name, domain FROM company WHERE workspace_id = $1 AND id = any($2::uuid[])

-- name: companies_by_key
SELECT id, natural_key FROM company WHERE workspace_id = $1 AND natural_key = any($2::text[])

-- name: upsert_companies
-- A name a source sends replaces an earlier one; traits are merged key by key.
INSERT INTO company AS c (workspace_id, id, natural_key, name, domain, traits)
SELECT $1, id, natural_key, name, domain, traits
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[]) AS new (id, natural_key, name, domain, traits)
 ORDER BY natural_key
    ON CONFLICT (workspace_id, natural_key) DO UPDATE
   SET name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE c.name END,
       domain = coalesce(excluded.domain, c.domain),
       traits = c.traits || excluded.traits,
       version = c.version + 1,
       updated_at = clock_timestamp()
RETURNING id, natural_key

-- name: insert_memberships
-- The first company of a profile becomes its main one.
INSERT INTO membership (workspace_id, profile_id, company_id, is_main)
SELECT $1, new.profile_id, new.company_id,
       new.nth = 1 AND NOT EXISTS (SELECT FROM membership m WHERE m.workspace_id = $1 AND m.profile_id = new.profile_id AND m.is_main)
  FROM (SELECT *, row_number() OVER (PARTITION BY profile_id ORDER BY n) AS nth
          FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS given (profile_id, company_id, n)
         WHERE NOT EXISTS (SELECT FROM membership m
                            WHERE m.workspace_id = $1 AND m.profile_id = given.profile_id AND m.company_id = given.company_id)) AS new
    ON CONFLICT DO NOTHING
RETURNING profile_id, company_id

-- name: delete_membership
DELETE FROM membership WHERE workspace_id = $1 AND profile_id = $2 AND company_id = $3 RETURNING is_main

-- name: oldest_membership
SELECT company_id FROM membership WHERE workspace_id = $1 AND profile_id = $2 ORDER BY since, company_id LIMIT 1

-- name: unset_main_company
UPDATE membership SET is_main = false WHERE workspace_id = $1 AND profile_id = $2 AND is_main AND company_id <> $3

-- name: set_main_company
UPDATE membership SET is_main = true WHERE workspace_id = $1 AND profile_id = $2 AND company_id = $3

-- name: company_traits
SELECT id, natural_key, traits, updated_at FROM company WHERE workspace_id = $1 AND id = any($2::uuid[])

-- name: members_by_company
-- A page of each company's living members, by profile id.
SELECT m.company_id, m.profile_id
  FROM unnest($2::uuid[]) AS wanted (company_id)
 CROSS JOIN LATERAL (
       SELECT m.company_id, m.profile_id
         FROM membership m
         JOIN profile p ON p.workspace_id = m.workspace_id AND p.id = m.profile_id AND p.status = 'ACTIVE'
        WHERE m.workspace_id = $1 AND m.company_id = wanted.company_id AND m.profile_id > $3
        ORDER BY m.profile_id
        LIMIT $4) m
 ORDER BY m.company_id, m.profile_id
