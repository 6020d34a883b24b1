-- What analytics read: attempts begun in a period, and learners enrolled in one.
CREATE INDEX user_quest_attempts_started ON user_quest_attempts (started_at, id);
CREATE INDEX user_learning_path_progress_enrolled ON user_learning_path_progress (learning_path_id, enrolled_at, id);
