-- Search: which quests have changed, so that the index follows; and titles that are nearly right.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX quests_title_trigrams ON quests USING gin (lower(title) gin_trgm_ops);

-- In which transaction something of a quest changed that can be searched for; a quest that is gone too. By transaction
-- and not by time, since what commits late must not be missed. Rows are only added: writers never wait here for each
-- other. Old ones are pruned.
CREATE TABLE quest_changes (
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id(),
    quest_id UUID NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX quest_changes_order ON quest_changes (changed_in);
CREATE INDEX quest_changes_age ON quest_changes (changed_at);

CREATE FUNCTION note_quest_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'quests' THEN
            INSERT INTO quest_changes (quest_id) SELECT id FROM touched;
        WHEN 'learning_paths' THEN
            INSERT INTO quest_changes (quest_id)
            SELECT link.quest_id FROM touched JOIN learning_path_quests AS link ON link.learning_path_id = touched.id;
        ELSE
            INSERT INTO quest_changes (quest_id) SELECT DISTINCT quest_id FROM touched;
    END CASE;
    RETURN NULL;
END $$;

CREATE TRIGGER quests_inserted AFTER INSERT ON quests REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quests_updated AFTER UPDATE ON quests REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quests_deleted AFTER DELETE ON quests REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_steps_inserted AFTER INSERT ON quest_steps REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_steps_updated AFTER UPDATE ON quest_steps REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_steps_deleted AFTER DELETE ON quest_steps REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_assessments_inserted AFTER INSERT ON quest_assessments REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_assessments_updated AFTER UPDATE ON quest_assessments REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER quest_assessments_deleted AFTER DELETE ON quest_assessments REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER learning_path_quests_inserted AFTER INSERT ON learning_path_quests REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER learning_path_quests_deleted AFTER DELETE ON learning_path_quests REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
CREATE TRIGGER learning_paths_updated AFTER UPDATE ON learning_paths REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION note_quest_changes();
