-- name: names_beginning
-- Entries of the telephone book behind the place ($2, $3) and before $4, with every further word $5 in them; at most $7 are looked through.
-- The place is the only lower bound: beside another one Postgres would begin to read at the lesser of the two.
SELECT found.entry, found.profile_id
  FROM (SELECT entry, profile_id
          FROM name_entry
         WHERE workspace_id = $1 AND (entry, profile_id) > ($2, $3) AND entry < $4
         ORDER BY entry, profile_id
         LIMIT $7) AS found
 WHERE ' ' || found.entry LIKE all($5::text[])
 ORDER BY found.entry, found.profile_id
 LIMIT $6

-- name: name_counts
-- How many entries each span has, counted to $4 at most.
SELECT q.n, (SELECT count(*)
               FROM (SELECT FROM name_entry WHERE workspace_id = $1 AND entry >= q.low AND entry < q.high LIMIT $4) AS counted) AS entries
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (low, high, n)

-- name: words_like
-- For each word asked for, the words of names that have most in common with it; $4 leads the trigram index to any that have a part in common.
SELECT q.n, near.word
  FROM unnest($2::text[]) WITH ORDINALITY AS q (asked, n)
 CROSS JOIN LATERAL (
       SELECT w.word
         FROM name_word w
        WHERE w.workspace_id = $1
          AND w.word LIKE any(ARRAY(SELECT part FROM unnest($3::integer[], $4::text[]) AS p (n, part) WHERE p.n = q.n))
        GROUP BY w.word
        ORDER BY similarity(w.word, q.asked) DESC, w.word
        LIMIT $5) AS near

-- name: names_within
-- For each span up to $4 entries.
SELECT q.n, found.entry, found.profile_id
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (low, high, n)
 CROSS JOIN LATERAL (
       SELECT entry, profile_id
         FROM name_entry
        WHERE workspace_id = $1 AND entry >= q.low AND entry < q.high
        ORDER BY entry, profile_id
        LIMIT $4) AS found
 ORDER BY q.n, found.entry, found.profile_id

-- name: searchable_values
-- What profiles say under attributes that are search keys: plain, or sealed.
SELECT profile_id, key, value, sealed
  FROM trait
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND key = any($3::text[])

-- name: release_attribute_lookups
-- A person who leaves is found by no attribute any more.
DELETE FROM lookup WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND starts_with(key, 'attribute:')

-- name: release_owned_lookups
DELETE FROM lookup l
 USING unnest($2::text[], $3::text[], $4::uuid[]) AS old (key, value, profile_id)
 WHERE l.workspace_id = $1 AND l.key = old.key AND l.value = old.value AND l.profile_id = old.profile_id
