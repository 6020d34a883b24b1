-- For admins: learners who were erased, the log of events by what caused them and in its order, and sending it again.

-- What still happens to who is left of an erased learner is kept in the log, and told nobody.
ALTER TABLE learners ADD COLUMN erased_at TIMESTAMPTZ;
ALTER TABLE outbox_events ADD COLUMN erased_at TIMESTAMPTZ;

-- A cascade at a glance. Written with each event: its neighbours are those of its own transaction.
CREATE INDEX outbox_events_correlation ON outbox_events (correlation_id, position);
-- The log in its order, for lists and replays: always written at its right end.
CREATE INDEX outbox_events_position ON outbox_events (position);

CREATE INDEX audit_log_actor ON audit_log (actor_id, recorded_at DESC, id DESC);

-- What a person has graded or reviewed for others, so that erasing need not read everybody's work.
CREATE INDEX quest_submissions_grader ON quest_submissions (graded_by) WHERE graded_by IS NOT NULL;
CREATE INDEX submission_grades_grader ON submission_grades (grader_id) WHERE grader_id IS NOT NULL;
CREATE INDEX user_quest_step_progress_reviewer ON user_quest_step_progress (reviewed_by) WHERE reviewed_by IS NOT NULL;

-- Events that are sent again, and how far that is.
CREATE TABLE event_replays (
    id UUID PRIMARY KEY,
    requested_by UUID NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    -- By id; gone when it is done.
    event_ids UUID[],
    -- Or by time, and further by learner and type.
    from_at TIMESTAMPTZ,
    to_at TIMESTAMPTZ,
    auth_user_id UUID,
    event_type TEXT,
    -- Between which positions of the log they lie, and the last one that was dealt with.
    after_position BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    total BIGINT NOT NULL,
    sent BIGINT NOT NULL DEFAULT 0,
    -- Those that are no message any more, e.g. since EVENT_MAX_BYTES was lowered.
    skipped BIGINT NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    failed_reason TEXT,
    finished_at TIMESTAMPTZ,
    CONSTRAINT event_replays_time CHECK ((from_at IS NULL) = (to_at IS NULL) AND to_at > from_at),
    CONSTRAINT event_replays_counts CHECK (sent >= 0 AND skipped >= 0 AND total >= 0),
    CONSTRAINT event_replays_failed CHECK (failed_reason IS NULL OR finished_at IS NOT NULL)
);
CREATE INDEX event_replays_running ON event_replays (requested_at, id) WHERE finished_at IS NULL;
