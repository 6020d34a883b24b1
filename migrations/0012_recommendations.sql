-- Who finished a quest last, however many have: what they did next is recommended.
CREATE INDEX user_quest_attempts_finished ON user_quest_attempts (quest_id, completed_at DESC, auth_user_id)
    WHERE status = 'Completed';

-- What can be started is looked for among all active quests: without reading their texts.
CREATE INDEX quests_active ON quests (created_at DESC, id DESC) INCLUDE (subject_id) WHERE is_active;
