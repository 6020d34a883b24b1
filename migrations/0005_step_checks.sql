-- Steps are really checked: results from outside, tries and their scores, reviews by people.

-- What a result from outside must be about to complete a step: the problem of its grader, or, where a
-- meeting is asked for, the quest.
ALTER TABLE quest_steps ADD COLUMN evidence_target UUID GENERATED ALWAYS AS (
    CASE step_type
        WHEN 'Coding' THEN (validation_criteria #>> '{grader,problemId}')::uuid
        WHEN 'Discussion' THEN CASE WHEN validation_criteria -> 'meetingRequired' = 'true'::jsonb THEN quest_id END
    END) STORED;
-- The limits of a quiz, so that loading an attempt need not open its questions.
ALTER TABLE quest_steps ADD COLUMN max_tries INTEGER GENERATED ALWAYS AS (
    CASE step_type WHEN 'Quiz' THEN (validation_criteria ->> 'maxAttempts')::numeric::integer END) STORED;
ALTER TABLE quest_steps ADD COLUMN cooldown_seconds INTEGER GENERATED ALWAYS AS (
    CASE step_type WHEN 'Quiz' THEN (validation_criteria ->> 'cooldownSeconds')::numeric::integer END) STORED;
CREATE INDEX quest_steps_evidence_target ON quest_steps (evidence_target) WHERE evidence_target IS NOT NULL;

-- Results from outside as they arrived: each is kept once, whatever it finds to apply to. position is
-- the order of arrival; a learner's are given under the learner's lock.
CREATE TABLE evidence (
    id UUID PRIMARY KEY,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    auth_user_id UUID NOT NULL,
    kind TEXT NOT NULL,
    -- Id of the submission or meeting at its source.
    source_id TEXT NOT NULL,
    target_id UUID NOT NULL,
    result JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT evidence_kind CHECK (kind IN ('coding', 'meeting')),
    CONSTRAINT evidence_result_object CHECK (jsonb_typeof(result) = 'object'),
    CONSTRAINT evidence_once UNIQUE (auth_user_id, kind, source_id)
);
CREATE INDEX evidence_target ON evidence (auth_user_id, target_id, position);

-- To which units a result was applied, once each: what is not here still waits for its unit to open.
CREATE TABLE evidence_applications (
    evidence_id UUID NOT NULL REFERENCES evidence (id) ON DELETE CASCADE,
    unit_id UUID NOT NULL,
    unit_type TEXT NOT NULL,
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts (id) ON DELETE CASCADE,
    is_met BOOLEAN NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (evidence_id, unit_id),
    CONSTRAINT evidence_applications_unit CHECK (unit_type IN ('step', 'assessment'))
);
CREATE INDEX evidence_applications_attempt ON evidence_applications (attempt_id);

-- The last try that was checked, and what a quiz gave for it; tries that a grader has allowed beyond
-- the criteria's; where a review stands.
ALTER TABLE user_quest_step_progress ADD COLUMN last_try_at TIMESTAMPTZ;
ALTER TABLE user_quest_step_progress ADD COLUMN extra_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_quest_step_progress ADD COLUMN score_points NUMERIC;
ALTER TABLE user_quest_step_progress ADD COLUMN score_max_points NUMERIC;
ALTER TABLE user_quest_step_progress ADD COLUMN review_status TEXT;
ALTER TABLE user_quest_step_progress ADD COLUMN review_requested_at TIMESTAMPTZ;
ALTER TABLE user_quest_step_progress ADD COLUMN reviewed_at TIMESTAMPTZ;
ALTER TABLE user_quest_step_progress ADD COLUMN reviewed_by UUID;
ALTER TABLE user_quest_step_progress ADD CONSTRAINT user_quest_step_progress_extra_tries_positive CHECK (extra_tries >= 0);
ALTER TABLE user_quest_step_progress ADD CONSTRAINT user_quest_step_progress_score
    CHECK (score_points BETWEEN 0 AND score_max_points AND (score_points IS NULL) = (score_max_points IS NULL));
ALTER TABLE user_quest_step_progress ADD CONSTRAINT user_quest_step_progress_review CHECK (
    (review_status IS NULL) = (review_requested_at IS NULL)
    AND (review_status IS NULL OR review_status IN ('waiting', 'returned', 'accepted'))
    AND (review_status IS NULL OR (review_status = 'accepted') = (status = 'Completed'))
    AND (review_status IS DISTINCT FROM 'waiting' OR (status = 'InProgress' AND reviewed_at IS NULL)));
-- The queue, in the order in which it is worked off.
CREATE INDEX user_quest_step_progress_reviews ON user_quest_step_progress (review_status, review_requested_at, id)
    WHERE review_status IS NOT NULL;
