// Keeps every learner's experience points up to date from the events; see ../README.md.
package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"log"
	"os"
	"time"

	"github.com/lib/pq"
	amqp "github.com/rabbitmq/amqp091-go"
)

const tables = `CREATE SCHEMA IF NOT EXISTS consumer;
	CREATE TABLE IF NOT EXISTS consumer.ledger (event_id UUID PRIMARY KEY, learner UUID NOT NULL,
		learner_seq BIGINT NOT NULL, type TEXT NOT NULL, position BIGINT GENERATED ALWAYS AS IDENTITY);
	CREATE TABLE IF NOT EXISTS consumer.points (learner UUID PRIMARY KEY, points BIGINT NOT NULL)`

// Event is what this consumer needs of an event; it ignores the rest, also fields that are yet to come.
type Event struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Subject    string          `json:"subject"`
	LearnerSeq int64           `json:"learnerseq"`
	Data       json.RawMessage `json:"data"`
}

// XPGranted is the data of one type; ask for the schema at /schemas/events/XPGranted/v1.
type XPGranted struct {
	Points int64 `json:"points"`
}

// consume takes messages for as long as the connection holds. The effect is committed before the message is
// acknowledged, so a crash in between brings the message again, and the ledger knows it.
func consume(db *sql.DB, url, exchange, queue string) error {
	if _, err := db.Exec(tables); err != nil {
		return err
	}
	connection, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if _, err = channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		return err
	}
	if err = channel.QueueBind(queue, "quests.#", exchange, false, nil); err != nil {
		return err
	}
	if err = channel.Qos(100, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for delivery := range deliveries {
		var event Event
		err = json.Unmarshal(delivery.Body, &event)
		if err == nil {
			err = handle(db, event)
		}
		if isMalformed(err) {
			// It would come back for ever: the queue's dead-letter exchange may have it.
			if err = delivery.Reject(false); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err = delivery.Ack(false); err != nil {
			return err
		}
	}
	return errors.New("the broker has gone")
}

// isMalformed says whether it is the message's fault: JSON of another kind, or values that PostgreSQL cannot read.
func isMalformed(err error) bool {
	var refused *pq.Error
	if errors.As(err, &refused) {
		return refused.Code.Class() == "22"
	}
	var broken *json.SyntaxError
	var other *json.UnmarshalTypeError
	return errors.As(err, &broken) || errors.As(err, &other)
}

// handle enters the event and applies its effect, both or neither.
func handle(db *sql.DB, event Event) error {
	transaction, err := db.Begin()
	if err != nil {
		return err
	}
	defer transaction.Rollback()
	entry, err := transaction.Exec("INSERT INTO consumer.ledger VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		event.ID, event.Subject, event.LearnerSeq, event.Type)
	if err != nil {
		return err
	}
	if isNew, err := entry.RowsAffected(); err != nil {
		return err
	} else if isNew == 1 && event.Type == "XPGranted" {
		var grant XPGranted
		if err = json.Unmarshal(event.Data, &grant); err != nil {
			return err
		}
		if _, err = transaction.Exec(`INSERT INTO consumer.points AS mine VALUES ($1, $2)
			ON CONFLICT (learner) DO UPDATE SET points = mine.points + EXCLUDED.points`, event.Subject, grant.Points); err != nil {
			return err
		}
	}
	return transaction.Commit()
}

func main() {
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	// Until somebody stops it: what is missed while the broker is away waits in the queue.
	for {
		log.Print(consume(db, os.Getenv("AMQP_URL"), "quests.events", "points.quests"), "; trying again")
		time.Sleep(time.Second)
	}
}
