-- +goose Up
CREATE TABLE users (
    id            BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username      TEXT        NOT NULL UNIQUE,
    role          TEXT        NOT NULL CHECK (role IN ('public', 'authenticated', 'admin')),
    password_hash TEXT        NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    version       BIGINT      NOT NULL
);

-- A message keeps the name of its author after the account is gone.
CREATE TABLE messages (
    id         BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username   TEXT        NOT NULL,
    type       TEXT        NOT NULL CHECK (type IN ('text', 'system', 'answer')),
    body       TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version    BIGINT      NOT NULL
);

CREATE TABLE projects (
    id         BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT        NOT NULL,
    status     TEXT        NOT NULL CHECK (status IN ('active', 'paused', 'archived')),
    owner_id   BIGINT      NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version    BIGINT      NOT NULL
);

CREATE TABLE tickets (
    id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id  BIGINT      NOT NULL REFERENCES projects (id),
    title       TEXT        NOT NULL,
    description TEXT        NOT NULL,
    status      TEXT        NOT NULL CHECK (status IN ('open', 'in_progress', 'done')),
    priority    TEXT        NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    assigned_to BIGINT      REFERENCES users (id),
    due_date    TIMESTAMPTZ,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    version     BIGINT      NOT NULL
);

CREATE TABLE files (
    id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id  BIGINT      REFERENCES projects (id),
    ticket_id   BIGINT      REFERENCES tickets (id),
    name        TEXT        NOT NULL,
    file_type   TEXT        NOT NULL,
    size        BIGINT      NOT NULL CHECK (size >= 0),
    sha256      TEXT        NOT NULL,
    blob        TEXT        NOT NULL,
    uploaded_by BIGINT      NOT NULL REFERENCES users (id),
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    version     BIGINT      NOT NULL,
    CHECK (project_id IS NOT NULL OR ticket_id IS NOT NULL)
);

CREATE TABLE tokens (
    hash       BYTEA       PRIMARY KEY,
    user_id    BIGINT      NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- +goose Down
DROP TABLE tokens;
DROP TABLE files;
DROP TABLE tickets;
DROP TABLE projects;
DROP TABLE messages;
DROP TABLE users;
