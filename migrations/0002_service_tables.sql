-- What the service needs beyond the seed; docs/architecture.md gives the reason of each.

-- One row per learner: the lock that puts a learner's writes in a row, and the
-- counter that numbers the learner's events without gaps.
CREATE TABLE learners (
    auth_user_id UUID PRIMARY KEY,
    event_seq BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT learners_event_seq_positive CHECK (event_seq >= 0)
) WITH (fillfactor = 70);

-- Retired units keep their history and are no units any more; the number of a
-- retired step is negative, so that its place is free again.
ALTER TABLE quest_steps ADD COLUMN retired_at TIMESTAMPTZ;
ALTER TABLE quest_steps ADD CONSTRAINT quest_steps_number_in_use CHECK ((retired_at IS NULL) = (step_number > 0));
ALTER TABLE quest_assessments ADD COLUMN retired_at TIMESTAMPTZ;

ALTER TABLE learning_path_quests ADD COLUMN chapter_id UUID;
ALTER TABLE learning_path_quests ADD CONSTRAINT learning_path_quests_chapter_fkey
    FOREIGN KEY (chapter_id, learning_path_id) REFERENCES quest_chapters (id, learning_path_id)
    ON DELETE SET NULL (chapter_id);

-- Counts edits of a quest's units; an attempt remembers which edit it was computed under.
ALTER TABLE quests ADD COLUMN units_version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE user_quest_attempts ADD COLUMN units_version INTEGER NOT NULL DEFAULT 1;

-- Quests whose open attempts wait to be recomputed in the background.
CREATE TABLE unit_recomputes (
    quest_id UUID PRIMARY KEY REFERENCES quests (id) ON DELETE CASCADE,
    requested_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE quest_skill_rewards (
    id UUID PRIMARY KEY,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    skill_tag TEXT NOT NULL,
    skill_id UUID,
    points INTEGER NOT NULL,
    display_order INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quest_skill_rewards_points_positive CHECK (points > 0)
);
CREATE UNIQUE INDEX quest_skill_rewards_once ON quest_skill_rewards (quest_id, skill_tag);

-- What a learner was paid, once per objective, kind and skill, with the amount fixed for ever.
-- id is the id of the event that announces it (UUIDv5 of the same key).
CREATE TABLE reward_grants (
    id UUID PRIMARY KEY,
    auth_user_id UUID NOT NULL,
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts (id) ON DELETE CASCADE,
    objective_type TEXT NOT NULL,
    objective_id UUID NOT NULL,
    kind TEXT NOT NULL,
    skill_tag TEXT,
    skill_id UUID,
    points INTEGER NOT NULL,
    -- The unit whose completion paid it: what a repeated call shows again as "earned".
    trigger_id UUID,
    granted_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT reward_grants_objective CHECK (objective_type IN ('QuestStep', 'Quest')),
    CONSTRAINT reward_grants_kind CHECK ((kind = 'XP' AND skill_tag IS NULL) OR (kind = 'SkillPoints' AND skill_tag IS NOT NULL)),
    CONSTRAINT reward_grants_points_positive CHECK (points > 0)
);
CREATE UNIQUE INDEX reward_grants_once ON reward_grants (auth_user_id, objective_id, kind, coalesce(skill_tag, ''));

-- The first time a gated quest opened for a learner; never taken back.
CREATE TABLE quest_unlocks (
    auth_user_id UUID NOT NULL,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    unlocked_at TIMESTAMPTZ NOT NULL,
    unlocked_by_quest_id UUID REFERENCES quests (id) ON DELETE SET NULL,
    trigger_id UUID,
    evidence JSONB NOT NULL,
    PRIMARY KEY (auth_user_id, quest_id)
);

-- The event log, and its delivery state: pending until published_at or parked_at is set.
CREATE TABLE outbox_events (
    id UUID PRIMARY KEY,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    auth_user_id UUID NOT NULL,
    learner_seq BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    causation_id UUID,
    traceparent TEXT,
    occurred_at TIMESTAMPTZ NOT NULL,
    data JSONB NOT NULL,
    published_at TIMESTAMPTZ,
    parked_at TIMESTAMPTZ,
    parked_reason TEXT,
    refusals INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT outbox_events_learner_seq UNIQUE (auth_user_id, learner_seq)
);
CREATE INDEX outbox_events_pending ON outbox_events (position) WHERE published_at IS NULL AND parked_at IS NULL;
CREATE INDEX outbox_events_parked ON outbox_events (auth_user_id) WHERE parked_at IS NOT NULL;
-- Retention deletes by age; rows lie in the order of time, so block ranges are enough.
CREATE INDEX outbox_events_occurred_at ON outbox_events USING BRIN (occurred_at);

CREATE TABLE idempotency_keys (
    auth_user_id UUID NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status SMALLINT NOT NULL,
    headers JSONB NOT NULL,
    body BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (auth_user_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Who changed what in the catalogue.
CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    recorded_at TIMESTAMPTZ NOT NULL,
    actor_id UUID NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id UUID NOT NULL,
    details JSONB NOT NULL,
    correlation_id TEXT NOT NULL
);
CREATE INDEX audit_log_resource ON audit_log (resource_id, recorded_at);
CREATE INDEX audit_log_recorded_at ON audit_log (recorded_at);

-- Full text over title, tags and description: stemmed English, and every word as
-- it stands for all other languages. array_to_string is only STABLE for its general
-- case; over text it depends on nothing but its input.
CREATE FUNCTION quest_search_text(title TEXT, tags TEXT[], description TEXT) RETURNS TSVECTOR
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('english'::regconfig, title), 'A')
        || setweight(to_tsvector('simple'::regconfig, title), 'A')
        || setweight(to_tsvector('simple'::regconfig, coalesce(array_to_string(tags, ' '), '')), 'B')
        || setweight(to_tsvector('english'::regconfig, description), 'C')
        || setweight(to_tsvector('simple'::regconfig, description), 'C')
$$;
ALTER TABLE quests ADD COLUMN search_text TSVECTOR NOT NULL
    GENERATED ALWAYS AS (quest_search_text(title, skill_tags, description)) STORED;
CREATE INDEX quests_search_text ON quests USING GIN (search_text);

-- Keyset orders of the lists.
CREATE INDEX quests_newest ON quests (created_at DESC, id DESC);
CREATE INDEX quests_by_title ON quests (title, id);
CREATE INDEX user_quest_attempts_newest ON user_quest_attempts (auth_user_id, started_at DESC, id DESC);
CREATE INDEX quest_resources_order ON quest_resources (quest_id, display_order, id);
-- What the recompute job walks.
CREATE INDEX user_quest_attempts_open ON user_quest_attempts (quest_id, auth_user_id) WHERE status IN ('InProgress', 'Paused');
