-- Assessments come alive: tries, grades with their history, peer reviews, regrading.

-- What an outside grader's result must be about.
ALTER TABLE quest_assessments ADD COLUMN evidence_target UUID GENERATED ALWAYS AS (
    CASE WHEN assessment_type = 'AutoGraded' THEN (configuration #>> '{grader,problemId}')::uuid END) STORED;
CREATE INDEX quest_assessments_evidence_target ON quest_assessments (evidence_target) WHERE evidence_target IS NOT NULL;
CREATE INDEX quest_assessments_order ON quest_assessments (quest_id, created_at, id);

-- Where a submission stands, when it came by our clock, and what it was graded by: enough to grade it anew
-- without its grader. percent and late_percent are unrounded; the grade is their product in the unit of max_grade.
ALTER TABLE quest_submissions ADD COLUMN status TEXT NOT NULL DEFAULT 'awaitingGrade';
ALTER TABLE quest_submissions ADD COLUMN submitted_at TIMESTAMPTZ NOT NULL DEFAULT now();
ALTER TABLE quest_submissions ADD COLUMN started_at TIMESTAMPTZ;
ALTER TABLE quest_submissions ADD COLUMN is_auto_submitted BOOLEAN NOT NULL DEFAULT FALSE;
-- The items of a quiz that this try got, in its order.
ALTER TABLE quest_submissions ADD COLUMN item_ids TEXT[];
-- What the outside grader has said, hidden tests included.
ALTER TABLE quest_submissions ADD COLUMN result JSONB;
ALTER TABLE quest_submissions ADD COLUMN rubric JSONB;
ALTER TABLE quest_submissions ADD COLUMN decision TEXT;
ALTER TABLE quest_submissions ADD COLUMN percent NUMERIC;
ALTER TABLE quest_submissions ADD COLUMN late_percent NUMERIC NOT NULL DEFAULT 100;
ALTER TABLE quest_submissions ADD COLUMN graded_by UUID;
-- When a grader takes over from peers.
ALTER TABLE quest_submissions ADD COLUMN fallback_at TIMESTAMPTZ;
UPDATE quest_submissions SET submitted_at = created_at;
UPDATE quest_submissions SET status = 'graded', percent = grade * 100 / nullif(max_grade, 0), is_passed = coalesce(is_passed, FALSE)
    WHERE graded_at IS NOT NULL AND grade IS NOT NULL AND max_grade > 0;
UPDATE quest_submissions SET graded_at = NULL, grade = NULL, is_passed = NULL WHERE status <> 'graded';
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_status
    CHECK (status IN ('awaitingGrade', 'inPeerReview', 'graded', 'returned'));
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_graded CHECK (
    (status = 'graded') = (grade IS NOT NULL) AND (grade IS NULL) = (graded_at IS NULL)
    AND (grade IS NULL) = (is_passed IS NULL) AND (grade IS NULL) = (percent IS NULL));
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_percent CHECK (percent BETWEEN 0 AND 100 AND late_percent BETWEEN 0 AND 100);
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_decision CHECK (decision IN ('pass', 'fail'));
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_max_grade_positive CHECK (max_grade > 0);
ALTER TABLE quest_submissions ADD CONSTRAINT quest_submissions_rubric_object CHECK (jsonb_typeof(rubric) = 'object');
-- The queue, in the order in which it is worked off; what goes to a grader when its time has come; a learner's own.
CREATE INDEX quest_submissions_queue ON quest_submissions (status, submitted_at, id);
CREATE INDEX quest_submissions_fallback ON quest_submissions (fallback_at) WHERE status = 'inPeerReview';
CREATE INDEX quest_submissions_newest ON quest_submissions (attempt_id, submitted_at DESC, id DESC);

-- One row per attempt and assessment, from the first thing that there is to remember: that the unit is done,
-- which nothing takes back; tries beyond the configuration's; the timed try that is under way, and its draft.
CREATE TABLE assessment_progress (
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts (id) ON DELETE CASCADE,
    assessment_id UUID NOT NULL REFERENCES quest_assessments (id) ON DELETE CASCADE,
    passed_at TIMESTAMPTZ,
    extra_tries INTEGER NOT NULL DEFAULT 0,
    try_started_at TIMESTAMPTZ,
    try_due_at TIMESTAMPTZ,
    -- The last moment in which its work is taken: time limit and grace, or what comes before.
    try_ends_at TIMESTAMPTZ,
    try_item_ids TEXT[],
    draft JSONB,
    draft_saved_at TIMESTAMPTZ,
    PRIMARY KEY (attempt_id, assessment_id),
    CONSTRAINT assessment_progress_extra_tries_positive CHECK (extra_tries >= 0),
    CONSTRAINT assessment_progress_try CHECK (
        (try_started_at IS NULL) = (try_ends_at IS NULL) AND (try_started_at IS NULL) = (try_due_at IS NULL)
        AND try_ends_at >= try_due_at AND try_due_at >= try_started_at),
    CONSTRAINT assessment_progress_draft_object CHECK (jsonb_typeof(draft) = 'object')
);
CREATE INDEX assessment_progress_assessment ON assessment_progress (assessment_id);
CREATE INDEX assessment_progress_ends ON assessment_progress (try_ends_at) WHERE try_ends_at IS NOT NULL;
INSERT INTO assessment_progress (attempt_id, assessment_id, passed_at)
    SELECT attempt_id, assessment_id, min(graded_at) FROM quest_submissions WHERE is_passed GROUP BY attempt_id, assessment_id;

-- Every grade that a submission was ever given; rows are only added.
CREATE TABLE submission_grades (
    id UUID PRIMARY KEY,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    submission_id UUID NOT NULL REFERENCES quest_submissions (id) ON DELETE CASCADE,
    graded_at TIMESTAMPTZ NOT NULL,
    -- auto: the service; grader: a person; peers: the reviews; regrade: the service, after an edit; return: back to its author.
    how TEXT NOT NULL,
    -- Who graded, or asked for the regrading; NULL is the service itself.
    grader_id UUID,
    percent NUMERIC,
    late_percent NUMERIC NOT NULL,
    grade NUMERIC(5,2),
    max_grade NUMERIC(5,2) NOT NULL,
    is_passed BOOLEAN,
    decision TEXT,
    rubric JSONB,
    feedback TEXT,
    CONSTRAINT submission_grades_how CHECK (how IN ('auto', 'grader', 'peers', 'regrade', 'return')),
    CONSTRAINT submission_grades_in_range CHECK (grade BETWEEN 0 AND max_grade),
    CONSTRAINT submission_grades_complete CHECK ((how = 'return') = (grade IS NULL) AND (grade IS NULL) = (is_passed IS NULL))
);
CREATE INDEX submission_grades_submission ON submission_grades (submission_id, position);
INSERT INTO submission_grades (id, submission_id, graded_at, how, percent, late_percent, grade, max_grade, is_passed, feedback)
    SELECT gen_random_uuid(), id, graded_at, 'auto', percent, late_percent, grade, max_grade, is_passed, feedback
    FROM quest_submissions WHERE status = 'graded';

-- Results from outside that wait for an assessment to open: the job looks again then.
CREATE TABLE assessment_wakeups (
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts (id) ON DELETE CASCADE,
    assessment_id UUID NOT NULL REFERENCES quest_assessments (id) ON DELETE CASCADE,
    due_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (attempt_id, assessment_id)
);
CREATE INDEX assessment_wakeups_due ON assessment_wakeups (due_at);

-- Who reviews whose work.
CREATE TABLE peer_reviews (
    id UUID PRIMARY KEY,
    submission_id UUID NOT NULL REFERENCES quest_submissions (id) ON DELETE CASCADE,
    assessment_id UUID NOT NULL REFERENCES quest_assessments (id) ON DELETE CASCADE,
    reviewer_id UUID NOT NULL,
    status TEXT NOT NULL DEFAULT 'open',
    assigned_at TIMESTAMPTZ NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    submitted_at TIMESTAMPTZ,
    rubric JSONB,
    percent NUMERIC,
    comment TEXT,
    CONSTRAINT peer_reviews_once UNIQUE (submission_id, reviewer_id),
    CONSTRAINT peer_reviews_status CHECK (status IN ('open', 'done', 'withdrawn')),
    CONSTRAINT peer_reviews_done CHECK ((status = 'done') = (submitted_at IS NOT NULL)
        AND (status = 'done') = (rubric IS NOT NULL) AND (status = 'done') = (percent IS NOT NULL)),
    CONSTRAINT peer_reviews_percent CHECK (percent BETWEEN 0 AND 100)
);
CREATE INDEX peer_reviews_mine ON peer_reviews (reviewer_id, assigned_at DESC, id DESC);
CREATE INDEX peer_reviews_assessment ON peer_reviews (assessment_id, reviewer_id);
-- Assessments in which reviews are to be handed out.
CREATE TABLE peer_allocations (
    assessment_id UUID PRIMARY KEY REFERENCES quest_assessments (id) ON DELETE CASCADE,
    requested_at TIMESTAMPTZ NOT NULL
);

-- Regrading in the background, and how far it is.
CREATE TABLE assessment_regrades (
    id UUID PRIMARY KEY,
    assessment_id UUID NOT NULL REFERENCES quest_assessments (id) ON DELETE CASCADE,
    requested_by UUID NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    may_lower BOOLEAN NOT NULL,
    total BIGINT NOT NULL,
    looked_at BIGINT NOT NULL DEFAULT 0,
    changed BIGINT NOT NULL DEFAULT 0,
    newly_passed BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    after_learner UUID,
    finished_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX assessment_regrades_running ON assessment_regrades (assessment_id) WHERE finished_at IS NULL;
CREATE INDEX assessment_regrades_newest ON assessment_regrades (assessment_id, requested_at DESC);
