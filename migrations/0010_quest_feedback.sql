-- What learners say of a quest: one row a learner, quest and category; who says it again replaces it.
CREATE TABLE quest_feedback (
    id UUID PRIMARY KEY,
    quest_id UUID NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    auth_user_id UUID NOT NULL,
    category TEXT NOT NULL,
    rating SMALLINT NOT NULL,
    comment TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    resolved_at TIMESTAMPTZ,
    resolved_by UUID,
    resolution TEXT,
    CONSTRAINT quest_feedback_category CHECK (category IN ('ContentError', 'TechnicalIssue', 'TooDifficult', 'TooEasy', 'Other')),
    CONSTRAINT quest_feedback_rating CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT quest_feedback_comment CHECK (char_length(comment) BETWEEN 1 AND 1000),
    CONSTRAINT quest_feedback_resolution CHECK (char_length(resolution) BETWEEN 1 AND 1000),
    CONSTRAINT quest_feedback_resolved CHECK ((resolved_at IS NULL) = (resolved_by IS NULL)),
    CONSTRAINT quest_feedback_once UNIQUE (auth_user_id, quest_id, category)
);
-- Keyset order of the list.
CREATE INDEX quest_feedback_newest ON quest_feedback (quest_id, updated_at DESC, id DESC);
