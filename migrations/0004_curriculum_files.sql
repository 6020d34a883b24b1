-- Curriculum files: what an import could not resolve is kept for authors, and the demo of earlier versions gets
-- the keys that it has in its file.

-- Prerequisites in words that no quest was found for; the linter warns of them.
ALTER TABLE quests ADD COLUMN unresolved_prerequisites TEXT[] NOT NULL DEFAULT '{}';

-- The ids of the demo's quests were made from their keys (UUIDv5); its steps and resources are called after their titles.
CREATE TEMPORARY TABLE demo AS
    SELECT quests.id, known.key
    FROM (VALUES ('hello-c'), ('values-and-types'), ('control-flow'), ('functions'), ('arrays'), ('bug-hunt'), ('pointers'),
                 ('strings'), ('structs'), ('dynamic-memory'), ('files'), ('club-ledger')) AS known (key)
    JOIN quests ON quests.id = uuid_generate_v5('8a1d07c4-52e9-4f0b-b3d6-90aa1c7e5f32', 'c-programming/' || known.key)
    WHERE NOT EXISTS (SELECT FROM quests AS other WHERE other.key = known.key);
UPDATE quests SET key = demo.key FROM demo WHERE quests.id = demo.id;
UPDATE quest_steps AS step SET key = made.key
FROM (SELECT step.id, trim('-' FROM left(trim('-' FROM regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g')), 64)) AS key,
             row_number() OVER (PARTITION BY quest_id, lower(title)) AS number
      FROM quest_steps AS step JOIN demo ON demo.id = step.quest_id WHERE retired_at IS NULL) AS made
WHERE step.id = made.id AND made.number = 1 AND made.key <> '';
UPDATE quest_resources AS resource SET key = made.key
FROM (SELECT resource.id, trim('-' FROM left(trim('-' FROM regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g')), 64)) AS key,
             row_number() OVER (PARTITION BY quest_id, lower(title)) AS number
      FROM quest_resources AS resource JOIN demo ON demo.id = resource.quest_id) AS made
WHERE resource.id = made.id AND made.number = 1 AND made.key <> '';
DROP TABLE demo;
