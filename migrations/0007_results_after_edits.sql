-- Results from outside count for what an edit has made of an assessment, too.

-- AutoGraded assessments that were written or edited: results that have come may count for them now. The job goes
-- through the quest's learners in the order of their ids.
CREATE TABLE result_recalls (
    assessment_id UUID PRIMARY KEY REFERENCES quest_assessments (id) ON DELETE CASCADE,
    -- Counts up, so that the job sees an edit that comes while it is at it.
    edits INTEGER NOT NULL DEFAULT 1,
    after_learner UUID
);
-- What was edited before this was looked at by nobody.
INSERT INTO result_recalls (assessment_id)
    SELECT id FROM quest_assessments WHERE evidence_target IS NOT NULL AND retired_at IS NULL;

-- When a result became a try, where that was later than its arrival (submitted_at): the wait for the next try runs from then.
ALTER TABLE quest_submissions ADD COLUMN taken_at TIMESTAMPTZ;
