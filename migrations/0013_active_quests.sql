-- What can be started is looked for among all active quests: without reading their texts.
CREATE INDEX quests_active ON quests (created_at DESC, id DESC) INCLUDE (subject_id) WHERE is_active;
