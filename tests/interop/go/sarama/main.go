// sarama writes and reads with every codec, and shares a group.
// Usage: sarama BOOTSTRAP RECORDS
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"holdfast.test/interop/report"
)

const patience = 2 * time.Minute

type cases struct {
	seeds []string
	count int
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return config
}

// admin asks as a person who administers does. Asked again, it may be told by these errors that it was done.
func (c *cases) admin(check func(sarama.ClusterAdmin) error, done ...error) error {
	return report.Asked(func() error {
		admin, err := sarama.NewClusterAdmin(c.seeds, config())
		if err != nil {
			return err
		}
		defer admin.Close()
		return check(admin)
	}, done...)
}

func (c *cases) create(topic string) error {
	detail := &sarama.TopicDetail{NumPartitions: report.Partitions, ReplicationFactor: 3}
	return c.admin(func(admin sarama.ClusterAdmin) error {
		return admin.CreateTopic(topic, detail, false)
	}, sarama.ErrTopicAlreadyExists)
}

func (c *cases) writes(topic string, codec sarama.CompressionCodec) error {
	config := config()
	config.Producer.Compression = codec
	producer, err := sarama.NewAsyncProducer(c.seeds, config)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		for range c.count {
			select {
			case <-producer.Successes():
			case failed := <-producer.Errors():
				done <- failed
				return
			case <-time.After(patience):
				done <- errors.New("never acknowledged")
				return
			}
		}
		done <- nil
	}()
	for i := range c.count {
		key := strconv.Itoa(i)
		message := &sarama.ProducerMessage{
			Topic:     topic,
			Key:       sarama.StringEncoder(key),
			Value:     sarama.StringEncoder(report.Value(i)),
			Partition: int32(i % report.Partitions),
			Timestamp: time.UnixMilli(report.Epoch + int64(i)),
			Headers:   []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(key)}},
		}
		select {
		case producer.Input() <- message:
		case err := <-done:
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	return producer.Close()
}

// member reads into the records that all members of its group share.
type member struct {
	mutex   *sync.Mutex
	records *report.Records
	wrong   *error
	done    context.CancelFunc
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.mutex.Lock()
			if *m.wrong == nil {
				header := string(message.Headers[0].Value)
				*m.wrong = m.records.Add(message.Partition, string(message.Key),
					string(message.Value), header, message.Timestamp.UnixMilli())
			}
			ended := *m.wrong != nil || m.records.Seen == m.records.Count
			session.MarkMessage(message, "")
			if m.records.Seen%500 == 0 || ended {
				session.Commit()
			}
			m.mutex.Unlock()
			if ended {
				m.done()
			}
		case <-session.Context().Done():
			session.Commit()
			return nil
		}
	}
}

// reads has a group of one member read everything and commit it.
func (c *cases) reads(topic, group string) error {
	consumer, err := sarama.NewConsumerGroup(c.seeds, group, config())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	records := report.Records{Count: c.count}
	var mutex sync.Mutex
	var wrong error
	one := &member{mutex: &mutex, records: &records, wrong: &wrong, done: cancel}
	for ctx.Err() == nil {
		if err := consumer.Consume(ctx, []string{topic}, one); err != nil && !report.Away(err) {
			return err
		}
	}
	if err := consumer.Close(); err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	if records.Seen != c.count {
		return fmt.Errorf("%d records, not %d", records.Seen, c.count)
	}
	return c.committed(topic, group)
}

func (c *cases) committed(topic, group string) error {
	err := c.admin(func(admin sarama.ClusterAdmin) error {
		partitions := map[string][]int32{topic: {0, 1, 2}}
		offsets, err := admin.ListConsumerGroupOffsets(group, partitions)
		if err != nil {
			return err
		}
		for partition, end := range report.Ends(c.count) {
			block := offsets.GetBlock(topic, int32(partition))
			if block == nil || block.Offset != end {
				return fmt.Errorf("partition %d: %v, not %d", partition, block, end)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.admin(func(admin sarama.ClusterAdmin) error {
		return admin.DeleteConsumerGroup(group)
	}, sarama.ErrGroupIDNotFound)
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	c := &cases{seeds: strings.Split(os.Args[1], ","), count: count}
	codecs := []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD,
	}
	for _, codec := range codecs {
		topic := "sarama-" + codec.String()
		name := "sarama, " + codec.String()
		if !report.Case(name+": creates", func() error { return c.create(topic) }) {
			continue
		}
		if report.Case(name+": writes", func() error { return c.writes(topic, codec) }) {
			report.Case(name+": a group reads and is deleted", func() error {
				return c.reads(topic, topic+"-group")
			})
		}
	}
}
