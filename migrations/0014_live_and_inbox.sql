-- Tickets with which a browser's EventSource, which cannot send a header, opens a stream: one use, short-lived.
CREATE TABLE stream_tickets (
    ticket_hash BYTEA PRIMARY KEY,
    auth_user_id UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX stream_tickets_expires_at ON stream_tickets (expires_at);

-- What came from other services, by the message's own key: at-least-once delivery becomes once.
CREATE TABLE inbox_messages (
    source TEXT NOT NULL,
    message_key TEXT NOT NULL,
    -- Of what was understood of the message: another one under the same key is no repetition.
    fingerprint BYTEA NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, message_key)
);
CREATE INDEX inbox_messages_received_at ON inbox_messages (received_at);
