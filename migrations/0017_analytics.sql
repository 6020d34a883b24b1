-- Analytics: a row per quest and day, kept up to date at a cost that does not grow with history.

-- A quest's attempts of one day, and its feedback up to one.
CREATE INDEX user_quest_attempts_begun ON user_quest_attempts (quest_id, started_at);
CREATE INDEX quest_feedback_given ON quest_feedback (quest_id, created_at, id);

-- Attempts of past days that have changed, for the days to be mended. By transaction and not by time, since what commits
-- late must not be missed. Rows are only added: writers never wait here for each other. The rollup takes them away.
CREATE TABLE analytics_changes (
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id(),
    quest_id UUID NOT NULL,
    started_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX analytics_changes_day ON analytics_changes (started_at, quest_id);

CREATE FUNCTION note_analytics_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What began on no day of the calendar belongs to none, and is set aside.
    IF TG_TABLE_NAME = 'quest_feedback' THEN
        INSERT INTO analytics_changes (quest_id, started_at)
            SELECT quest_id, started_at FROM user_quest_attempts
            WHERE auth_user_id = NEW.auth_user_id AND quest_id = NEW.quest_id AND started_at < now() - interval '20 hours'
              AND started_at >= '0001-01-02Z';
    ELSE
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO analytics_changes (quest_id, started_at) SELECT OLD.quest_id, OLD.started_at WHERE OLD.started_at >= '0001-01-02Z';
        END IF;
        IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND (NEW.quest_id, NEW.started_at) <> (OLD.quest_id, OLD.started_at)) THEN
            INSERT INTO analytics_changes (quest_id, started_at) SELECT NEW.quest_id, NEW.started_at WHERE NEW.started_at >= '0001-01-02Z';
        END IF;
    END IF;
    RETURN NULL;
END $$;
-- Each change of a step or an assessment updates its attempt, too. Days before the last run are always computed twice, so
-- that what is younger need not be noted; four hours are left for transactions.
CREATE TRIGGER user_quest_attempts_analytics_inserted AFTER INSERT ON user_quest_attempts
    FOR EACH ROW WHEN (NEW.started_at < now() - interval '20 hours') EXECUTE FUNCTION note_analytics_changes();
CREATE TRIGGER user_quest_attempts_analytics_updated AFTER UPDATE ON user_quest_attempts
    FOR EACH ROW WHEN (OLD.started_at < now() - interval '20 hours' OR NEW.started_at < now() - interval '20 hours')
    EXECUTE FUNCTION note_analytics_changes();
CREATE TRIGGER user_quest_attempts_analytics_deleted AFTER DELETE ON user_quest_attempts
    FOR EACH ROW WHEN (OLD.started_at < now() - interval '20 hours') EXECUTE FUNCTION note_analytics_changes();
CREATE TRIGGER quest_feedback_analytics_inserted AFTER INSERT ON quest_feedback
    FOR EACH ROW EXECUTE FUNCTION note_analytics_changes();

-- How far the rollup is, in days of this time zone. One row at most.
CREATE TABLE analytics_state (
    is_only BOOLEAN PRIMARY KEY DEFAULT TRUE,
    time_zone TEXT NOT NULL,
    -- Every day up to this one has been computed.
    done_to DATE NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT analytics_state_only CHECK (is_only)
);

-- What the rollup cannot use, by day: left out, and told with the reason.
CREATE TABLE analytics_rejects (
    date_recorded DATE NOT NULL,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    -- attempt: the whole attempt is left out; unit: a step or an assessment of one, out of the tries; quest: the quest's day.
    kind TEXT NOT NULL,
    attempt_id UUID,
    unit_id UUID,
    reason TEXT NOT NULL,
    found_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT analytics_rejects_kind CHECK (kind IN ('attempt', 'unit', 'quest')),
    CONSTRAINT analytics_rejects_once UNIQUE NULLS NOT DISTINCT (date_recorded, quest_id, kind, attempt_id, unit_id)
);
