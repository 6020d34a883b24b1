-- Skills of the User Service by name, so that skill points say which skill they are in. Names that several of its
-- skills share are left out. In the database's own lower case, as they are compared.
CREATE TABLE known_skills (
    name TEXT NOT NULL,
    skill_id UUID NOT NULL,
    CONSTRAINT known_skills_name PRIMARY KEY (name)
);
