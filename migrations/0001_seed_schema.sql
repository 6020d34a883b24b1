-- The schema of the seed document, ordered so that it loads, with the checks
-- that make wrong states impossible. Our own additions are in 0002.

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TYPE quest_type AS ENUM ('Tutorial', 'Practice', 'Challenge', 'Project', 'Assessment', 'Exploration');
CREATE TYPE difficulty_level AS ENUM ('Beginner', 'Intermediate', 'Advanced', 'Expert');
CREATE TYPE step_type AS ENUM ('Reading', 'Video', 'Interactive', 'Coding', 'Quiz', 'Discussion', 'Submission', 'Reflection');
CREATE TYPE resource_type AS ENUM ('Document', 'Video', 'Audio', 'Interactive', 'Link', 'Code', 'Dataset');
CREATE TYPE quest_attempt_status AS ENUM ('InProgress', 'Completed', 'Abandoned', 'Paused');
CREATE TYPE step_completion_status AS ENUM ('NotStarted', 'InProgress', 'Completed', 'Skipped');
CREATE TYPE path_type AS ENUM ('Course', 'Specialization', 'Bootcamp', 'Custom');
CREATE TYPE path_progress_status AS ENUM ('NotStarted', 'InProgress', 'Completed', 'Paused');
CREATE TYPE assessment_type AS ENUM ('Quiz', 'Assignment', 'Project', 'PeerReview', 'AutoGraded', 'ManualReview');

CREATE TABLE quests (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    title VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    quest_type quest_type NOT NULL,
    difficulty_level difficulty_level NOT NULL,
    estimated_duration_minutes INTEGER,
    experience_points_reward INTEGER NOT NULL DEFAULT 0,
    skill_tags TEXT[],
    subject_id UUID,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quests_duration_positive CHECK (estimated_duration_minutes >= 0),
    CONSTRAINT quests_reward_positive CHECK (experience_points_reward >= 0)
);

CREATE TABLE learning_paths (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    path_type path_type NOT NULL,
    curriculum_version_id UUID,
    estimated_total_duration_hours INTEGER,
    total_experience_points INTEGER NOT NULL DEFAULT 0,
    is_published BOOLEAN NOT NULL DEFAULT FALSE,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT learning_paths_duration_positive CHECK (estimated_total_duration_hours >= 0),
    CONSTRAINT learning_paths_experience_positive CHECK (total_experience_points >= 0)
);

CREATE TABLE quest_chapters (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    learning_path_id UUID NOT NULL REFERENCES learning_paths(id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    sequence INT NOT NULL,
    status path_progress_status NOT NULL DEFAULT 'NotStarted',
    start_date DATE,
    end_date DATE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quest_chapters_dates_in_order CHECK (end_date >= start_date),
    -- What lets learning_path_quests refer to a chapter of the same path only.
    CONSTRAINT quest_chapters_path_key UNIQUE (id, learning_path_id)
);

CREATE TABLE learning_path_quests (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    learning_path_id UUID NOT NULL REFERENCES learning_paths(id) ON DELETE CASCADE,
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    difficulty_level difficulty_level NOT NULL,
    sequence_order INTEGER NOT NULL,
    is_mandatory BOOLEAN NOT NULL DEFAULT TRUE,
    unlock_criteria JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (learning_path_id, quest_id),
    UNIQUE (learning_path_id, sequence_order) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT learning_path_quests_criteria_object CHECK (jsonb_typeof(unlock_criteria) = 'object')
);

CREATE TABLE quest_prerequisites (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    prerequisite_quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (quest_id, prerequisite_quest_id),
    CONSTRAINT quest_prerequisites_not_itself CHECK (quest_id <> prerequisite_quest_id)
);

CREATE TABLE quest_steps (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    step_number INTEGER NOT NULL,
    title VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    step_type step_type NOT NULL,
    content JSONB,
    validation_criteria JSONB,
    experience_points INTEGER NOT NULL DEFAULT 0,
    is_optional BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Deferrable, so that one UPDATE can renumber a whole quest.
    UNIQUE (quest_id, step_number) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT quest_steps_content_object CHECK (jsonb_typeof(content) = 'object'),
    CONSTRAINT quest_steps_criteria_object CHECK (jsonb_typeof(validation_criteria) = 'object'),
    CONSTRAINT quest_steps_points_positive CHECK (experience_points >= 0)
);

CREATE TABLE quest_resources (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    resource_type resource_type NOT NULL,
    title VARCHAR(255) NOT NULL,
    description TEXT,
    url TEXT,
    file_path TEXT,
    metadata JSONB,
    display_order INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quest_resources_has_place CHECK (url IS NOT NULL OR file_path IS NOT NULL),
    CONSTRAINT quest_resources_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);

CREATE TABLE user_quest_attempts (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    auth_user_id UUID NOT NULL,
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    status quest_attempt_status NOT NULL DEFAULT 'InProgress',
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at TIMESTAMPTZ,
    abandoned_at TIMESTAMPTZ,
    total_experience_earned INTEGER NOT NULL DEFAULT 0,
    completion_percentage DECIMAL(5,2) NOT NULL DEFAULT 0.00,
    current_step_id UUID REFERENCES quest_steps(id),
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (auth_user_id, quest_id),
    CONSTRAINT user_quest_attempts_percentage CHECK (completion_percentage BETWEEN 0 AND 100),
    CONSTRAINT user_quest_attempts_experience_positive CHECK (total_experience_earned >= 0),
    CONSTRAINT user_quest_attempts_times_in_order CHECK (completed_at >= started_at AND abandoned_at >= started_at),
    CONSTRAINT user_quest_attempts_completed CHECK (
        (status = 'Completed') = (completed_at IS NOT NULL) AND (status <> 'Completed' OR completion_percentage = 100)),
    CONSTRAINT user_quest_attempts_abandoned CHECK ((status = 'Abandoned') = (abandoned_at IS NOT NULL))
) WITH (fillfactor = 85);

CREATE TABLE user_quest_step_progress (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts(id) ON DELETE CASCADE,
    step_id UUID NOT NULL REFERENCES quest_steps(id) ON DELETE CASCADE,
    status step_completion_status NOT NULL DEFAULT 'NotStarted',
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    submission_data JSONB,
    feedback TEXT,
    experience_earned INTEGER NOT NULL DEFAULT 0,
    attempts_count INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (attempt_id, step_id),
    CONSTRAINT user_quest_step_progress_experience_positive CHECK (experience_earned >= 0),
    CONSTRAINT user_quest_step_progress_tries_positive CHECK (attempts_count >= 0),
    CONSTRAINT user_quest_step_progress_times_in_order CHECK (completed_at >= started_at),
    CONSTRAINT user_quest_step_progress_completed CHECK ((status = 'Completed') = (completed_at IS NOT NULL))
);

CREATE TABLE user_learning_path_progress (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    auth_user_id UUID NOT NULL,
    learning_path_id UUID NOT NULL REFERENCES learning_paths(id) ON DELETE CASCADE,
    status path_progress_status NOT NULL DEFAULT 'NotStarted',
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    current_quest_id UUID REFERENCES quests(id),
    completed_quests_count INTEGER NOT NULL DEFAULT 0,
    total_quests_count INTEGER NOT NULL DEFAULT 0,
    completion_percentage DECIMAL(5,2) NOT NULL DEFAULT 0.00,
    total_experience_earned INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (auth_user_id, learning_path_id),
    CONSTRAINT user_learning_path_progress_percentage CHECK (completion_percentage BETWEEN 0 AND 100),
    CONSTRAINT user_learning_path_progress_counts CHECK (completed_quests_count >= 0 AND total_quests_count >= 0),
    CONSTRAINT user_learning_path_progress_experience_positive CHECK (total_experience_earned >= 0),
    CONSTRAINT user_learning_path_progress_times_in_order CHECK (completed_at >= started_at)
);

CREATE TABLE quest_assessments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    assessment_type assessment_type NOT NULL,
    configuration JSONB NOT NULL,
    passing_criteria JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quest_assessments_configuration_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT quest_assessments_passing_object CHECK (jsonb_typeof(passing_criteria) = 'object')
);

CREATE TABLE quest_submissions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    attempt_id UUID NOT NULL REFERENCES user_quest_attempts(id) ON DELETE CASCADE,
    assessment_id UUID NOT NULL REFERENCES quest_assessments(id) ON DELETE CASCADE,
    submission_data JSONB NOT NULL,
    graded_at TIMESTAMPTZ,
    grade DECIMAL(5,2),
    max_grade DECIMAL(5,2) NOT NULL,
    feedback TEXT,
    is_passed BOOLEAN,
    attempt_number INTEGER NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT quest_submissions_number UNIQUE (attempt_id, assessment_id, attempt_number),
    CONSTRAINT quest_submissions_data_object CHECK (jsonb_typeof(submission_data) = 'object'),
    CONSTRAINT quest_submissions_grade_in_range CHECK (grade BETWEEN 0 AND max_grade),
    CONSTRAINT quest_submissions_number_positive CHECK (attempt_number >= 1)
);

CREATE TABLE quest_analytics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id UUID NOT NULL REFERENCES quests(id) ON DELETE CASCADE,
    date_recorded DATE NOT NULL,
    total_attempts INTEGER NOT NULL DEFAULT 0,
    successful_completions INTEGER NOT NULL DEFAULT 0,
    average_completion_time_minutes DECIMAL(10,2),
    average_attempts_to_complete DECIMAL(5,2),
    abandonment_rate DECIMAL(5,4),
    difficulty_rating DECIMAL(3,2),
    engagement_score DECIMAL(5,2),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (quest_id, date_recorded),
    CONSTRAINT quest_analytics_counts CHECK (total_attempts >= 0 AND successful_completions >= 0),
    CONSTRAINT quest_analytics_averages CHECK (average_completion_time_minutes >= 0 AND average_attempts_to_complete >= 0),
    CONSTRAINT quest_analytics_rate CHECK (abandonment_rate BETWEEN 0 AND 1),
    CONSTRAINT quest_analytics_rating CHECK (difficulty_rating BETWEEN 0 AND 5),
    CONSTRAINT quest_analytics_engagement CHECK (engagement_score BETWEEN 0 AND 100)
);

CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['quests', 'learning_paths', 'quest_chapters', 'learning_path_quests',
        'quest_prerequisites', 'quest_steps', 'quest_resources', 'user_quest_attempts',
        'user_quest_step_progress', 'user_learning_path_progress', 'quest_assessments',
        'quest_submissions', 'quest_analytics'] LOOP
        EXECUTE format('CREATE TRIGGER update_%1$s_updated_at BEFORE UPDATE ON %1$I '
            'FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()', name);
    END LOOP;
END;
$$;

CREATE INDEX idx_quests_quest_type ON quests (quest_type);
CREATE INDEX idx_quests_difficulty_level ON quests (difficulty_level);
CREATE INDEX idx_quests_subject_id ON quests (subject_id);
CREATE INDEX idx_quests_is_active ON quests (is_active);
CREATE INDEX idx_quests_skill_tags ON quests USING GIN (skill_tags);
CREATE INDEX idx_quest_prerequisites_quest_id ON quest_prerequisites (quest_id);
CREATE INDEX idx_quest_prerequisites_prereq_id ON quest_prerequisites (prerequisite_quest_id);
CREATE INDEX idx_quest_steps_quest_id ON quest_steps (quest_id);
CREATE INDEX idx_quest_steps_step_type ON quest_steps (step_type);
CREATE INDEX idx_user_quest_attempts_auth_user_id ON user_quest_attempts (auth_user_id);
CREATE INDEX idx_user_quest_attempts_quest_id ON user_quest_attempts (quest_id);
CREATE INDEX idx_user_quest_attempts_status ON user_quest_attempts (status);
CREATE INDEX idx_user_quest_step_progress_attempt_id ON user_quest_step_progress (attempt_id);
CREATE INDEX idx_learning_paths_path_type ON learning_paths (path_type);
-- The document names these two after columns that its tables do not have.
CREATE INDEX idx_learning_paths_curriculum_version_id ON learning_paths (curriculum_version_id);
CREATE INDEX idx_learning_paths_is_published ON learning_paths (is_published);
CREATE INDEX idx_quest_chapters_learning_path_id ON quest_chapters (learning_path_id);
CREATE INDEX idx_learning_path_quests_learning_path_id ON learning_path_quests (learning_path_id);
CREATE INDEX idx_user_learning_path_progress_auth_user_id ON user_learning_path_progress (auth_user_id);
CREATE INDEX idx_quest_assessments_quest_id ON quest_assessments (quest_id);
CREATE INDEX idx_quest_submissions_attempt_id ON quest_submissions (attempt_id);
CREATE INDEX idx_quest_submissions_assessment_id ON quest_submissions (assessment_id);
CREATE INDEX idx_quest_analytics_quest_id ON quest_analytics (quest_id);
CREATE INDEX idx_quest_analytics_date_recorded ON quest_analytics (date_recorded);
