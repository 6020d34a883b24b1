-- Learning paths come alive: keys for curriculum files, what unlocking needs to know and to remember,
-- and the work that edits leave to the background.

-- The stable names of everything that authors write; curriculum files speak of these, never of ids.
ALTER TABLE quests ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE quest_steps ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE quest_resources ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE quest_assessments ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE learning_paths ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE quest_chapters ADD COLUMN key TEXT NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE quests ADD CONSTRAINT quests_key_once UNIQUE (key);
ALTER TABLE learning_paths ADD CONSTRAINT learning_paths_key_once UNIQUE (key);
ALTER TABLE quest_steps ADD CONSTRAINT quest_steps_key_once UNIQUE (quest_id, key);
ALTER TABLE quest_resources ADD CONSTRAINT quest_resources_key_once UNIQUE (quest_id, key);
ALTER TABLE quest_assessments ADD CONSTRAINT quest_assessments_key_once UNIQUE (quest_id, key);
ALTER TABLE quest_chapters ADD CONSTRAINT quest_chapters_key_once UNIQUE (learning_path_id, key);

-- Chapters lie in an order without gaps, renumbered by one statement.
ALTER TABLE quest_chapters ADD CONSTRAINT quest_chapters_sequence_once UNIQUE (learning_path_id, sequence) DEFERRABLE;

-- What a criterion speaks of, so that a completion finds the criteria that it can meet:
-- the ids of quests, chapters, assessments and paths that it names; its own path where progress, points
-- or the start of the path are meant; the nil UUID for points of the whole service, the max UUID for skills.
CREATE FUNCTION unlock_refs(criteria JSONB, path UUID) RETURNS UUID[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT found.id), '{}')
    FROM (
        SELECT (named #>> '{}')::uuid AS id
        FROM unnest(ARRAY['questId', 'chapterId', 'assessmentId', 'pathId']) AS field,
             jsonb_path_query(criteria, ('$.when.**.' || field)::jsonpath) AS named
        UNION ALL
        SELECT path WHERE jsonb_path_exists(criteria, '$.when.** ? ((@.op == "pathProgress" && !exists(@.pathId))
                                            || (@.op == "xpEarned" && !(@.scope == "service"))
                                            || (@.op == "delay" && @.since == "pathStarted"))')
        UNION ALL
        SELECT '00000000-0000-0000-0000-000000000000'::uuid
        WHERE jsonb_path_exists(criteria, '$.when.** ? (@.op == "xpEarned" && @.scope == "service")')
        UNION ALL
        SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
        WHERE jsonb_path_exists(criteria, '$.when.** ? (@.op == "skillLevel")')
    ) AS found
$$;
ALTER TABLE learning_path_quests ADD COLUMN unlock_refs UUID[] NOT NULL
    GENERATED ALWAYS AS (unlock_refs(unlock_criteria, learning_path_id)) STORED;
CREATE INDEX learning_path_quests_unlock_refs ON learning_path_quests USING GIN (unlock_refs);
CREATE INDEX learning_path_quests_quest ON learning_path_quests (quest_id);
CREATE INDEX learning_path_quests_chapter ON learning_path_quests (chapter_id);

-- The path through which a quest opened, and when that was announced: conditions may be met before
-- a window opens or a chapter begins.
ALTER TABLE quest_unlocks ADD COLUMN learning_path_id UUID REFERENCES learning_paths (id) ON DELETE SET NULL;
ALTER TABLE quest_unlocks ADD COLUMN announced_at TIMESTAMPTZ;
UPDATE quest_unlocks SET announced_at = unlocked_at;
-- An override announces a quest whose conditions are not met.
ALTER TABLE quest_unlocks ALTER COLUMN unlocked_at DROP NOT NULL;
ALTER TABLE quest_unlocks ADD CONSTRAINT quest_unlocks_why CHECK (unlocked_at IS NOT NULL OR announced_at IS NOT NULL);

-- When time alone may open a quest for a learner.
CREATE TABLE unlock_schedule (
    auth_user_id UUID NOT NULL,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    due_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (auth_user_id, quest_id)
);
CREATE INDEX unlock_schedule_due ON unlock_schedule (due_at);

-- Exceptions that an admin makes for one learner and one quest.
CREATE TABLE unlock_overrides (
    id UUID PRIMARY KEY,
    auth_user_id UUID NOT NULL,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT unlock_overrides_kind CHECK (kind IN ('open', 'waive'))
);
CREATE INDEX unlock_overrides_learner ON unlock_overrides (auth_user_id, quest_id);

-- Skill levels as the User Service last gave them, and until when they are believed; later they are unknown.
ALTER TABLE learners ADD COLUMN skill_levels_at TIMESTAMPTZ;
ALTER TABLE learners ADD COLUMN skill_levels_until TIMESTAMPTZ;
CREATE TABLE learner_skill_levels (
    auth_user_id UUID NOT NULL REFERENCES learners (auth_user_id) ON DELETE CASCADE,
    skill_name TEXT NOT NULL,
    level INTEGER NOT NULL,
    PRIMARY KEY (auth_user_id, skill_name),
    CONSTRAINT learner_skill_levels_level_positive CHECK (level >= 0)
);

-- Enrolment: who left keeps the row.
ALTER TABLE user_learning_path_progress ADD COLUMN enrolled_at TIMESTAMPTZ NOT NULL DEFAULT now();
ALTER TABLE user_learning_path_progress ADD COLUMN left_at TIMESTAMPTZ;
CREATE INDEX user_learning_path_progress_roster ON user_learning_path_progress (learning_path_id, auth_user_id);
CREATE INDEX user_learning_path_progress_newest ON user_learning_path_progress (auth_user_id, enrolled_at DESC, id DESC);

-- Paths and quests whose learners wait to be judged anew in the background, and how far that is.
CREATE TABLE reevaluations (
    target_id UUID PRIMARY KEY,
    target_kind TEXT NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    after_learner UUID,
    learners_done BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT reevaluations_kind CHECK (target_kind IN ('quest', 'path'))
);

-- Keyset orders of the lists.
CREATE INDEX learning_paths_newest ON learning_paths (created_at DESC, id DESC);
-- Who has completed a quest.
CREATE INDEX user_quest_attempts_completed ON user_quest_attempts (quest_id, auth_user_id) WHERE status = 'Completed';
