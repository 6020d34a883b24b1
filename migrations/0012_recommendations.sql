-- Who finished a quest last, however many have: what they did next is recommended.
CREATE INDEX user_quest_attempts_finished ON user_quest_attempts (quest_id, completed_at DESC, auth_user_id)
    WHERE status = 'Completed';
