// franz-go writes and reads with every codec, shares a group, finds by time, administers.
// Usage: franz BOOTSTRAP RECORDS
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"holdfast.test/interop/report"
)

const patience = 2 * time.Minute

type cases struct {
	seeds []string
	count int
}

func (c *cases) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(c.seeds...))...)
}

func (c *cases) admin(check func(context.Context, *kadm.Client) error) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return report.Asked(func() error { return check(ctx, kadm.NewClient(client)) })
}

func (c *cases) create(topic string) error {
	return c.admin(func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, report.Partitions, 3, nil, topic)
		return err
	})
}

func (c *cases) writes(topic string, codec kgo.CompressionCodec) error {
	client, err := c.client(
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.UnknownTopicRetries(20),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	failed := make(chan error, 1)
	for i := 0; i < c.count; i++ {
		key := strconv.Itoa(i)
		record := &kgo.Record{
			Key:       []byte(key),
			Value:     []byte(report.Value(i)),
			Partition: int32(i % report.Partitions),
			Timestamp: time.UnixMilli(report.Epoch + int64(i)),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(key)}},
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// reads has a member of a group read everything and commit it.
func (c *cases) reads(topic, group string, balancer kgo.GroupBalancer) error {
	client, err := c.client(
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.Balancers(balancer),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	records := report.Records{Count: c.count}
	for records.Seen < c.count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("%w after %d records", err, records.Seen)
		}
		var wrong error
		fetches.EachRecord(func(r *kgo.Record) {
			if wrong == nil {
				header := string(r.Headers[0].Value)
				wrong = records.Add(
					r.Partition, string(r.Key), string(r.Value), header, r.Timestamp.UnixMilli())
			}
		})
		if wrong != nil {
			return wrong
		}
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	return c.committed(topic, group)
}

func (c *cases) committed(topic, group string) error {
	return c.admin(func(ctx context.Context, admin *kadm.Client) error {
		offsets, err := admin.FetchOffsets(ctx, group)
		if err != nil {
			return err
		}
		for partition, end := range report.Ends(c.count) {
			found, known := offsets.Lookup(topic, int32(partition))
			if !known || found.At != end {
				return fmt.Errorf("partition %d: %v, not %d", partition, found.At, end)
			}
		}
		return nil
	})
}

// shares has three members of a group hold one partition each, and two of them all after one left.
func (c *cases) shares(topic string, balancer kgo.GroupBalancer) error {
	group := topic + "-" + balancer.ProtocolName()
	var members []*kgo.Client
	defer func() {
		for _, member := range members {
			member.Close()
		}
	}()
	for range report.Partitions {
		member, err := c.client(
			kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(topic),
			kgo.Balancers(balancer),
			kgo.HeartbeatInterval(200*time.Millisecond),
		)
		if err != nil {
			return err
		}
		members = append(members, member)
	}
	if err := c.held(group, topic, 3); err != nil {
		return err
	}
	members[0].Close()
	members = members[1:]
	return c.held(group, topic, 2)
}

// held waits until a group is stable with so many members, and every partition is held once.
func (c *cases) held(group, topic string, count int) error {
	return c.admin(func(ctx context.Context, admin *kadm.Client) error {
		for {
			described, err := admin.DescribeGroups(ctx, group)
			if err != nil {
				return err
			}
			one := described[group]
			parts := one.AssignedPartitions()
			if one.State == "Stable" && len(one.Members) == count &&
				len(parts[topic]) == report.Partitions {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s, %d members, %v", one.State, len(one.Members), parts)
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

func (c *cases) findsByTime(topic string) error {
	return c.admin(func(ctx context.Context, admin *kadm.Client) error {
		middle := c.count / 2
		found, err := admin.ListOffsetsAfterMilli(ctx, report.Epoch+int64(middle), topic)
		if err != nil {
			return err
		}
		for partition := range report.Partitions {
			wanted := middle
			for wanted%report.Partitions != partition {
				wanted++
			}
			offset, _ := found.Lookup(topic, int32(partition))
			if offset.Offset != int64(wanted/report.Partitions) {
				return fmt.Errorf("partition %d: %d, not %d",
					partition, offset.Offset, wanted/report.Partitions)
			}
		}
		return nil
	})
}

// administers does to a group what admins do.
func (c *cases) administers(topic, group string) error {
	return c.admin(func(ctx context.Context, admin *kadm.Client) error {
		listed, err := admin.ListGroups(ctx)
		if err != nil {
			return err
		}
		if _, known := listed[group]; !known {
			return fmt.Errorf("%s is not listed", group)
		}
		lag, err := admin.Lag(ctx, group)
		if err != nil {
			return err
		}
		if total := lag[group].Lag.Total(); total != 0 {
			return fmt.Errorf("lag %d", total)
		}
		var moved kadm.Offsets
		moved.AddOffset(topic, 1, 5, -1)
		committed, err := admin.CommitOffsets(ctx, group, moved)
		if err == nil {
			err = committed.Error()
		}
		if err != nil {
			return err
		}
		var gone kadm.TopicsSet
		gone.Add(topic, 2)
		deleted, err := admin.DeleteOffsets(ctx, group, gone)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil {
			return err
		}
		offsets, err := admin.FetchOffsets(ctx, group)
		if err != nil {
			return err
		}
		one, _ := offsets.Lookup(topic, 1)
		if _, known := offsets.Lookup(topic, 2); known || one.At != 5 {
			return fmt.Errorf("offsets %v", offsets)
		}
		for _, wanted := range []error{nil, kerr.GroupIDNotFound} {
			deleted, err := admin.DeleteGroups(ctx, group)
			if err != nil {
				return err
			}
			if err := deleted[group].Err; !errors.Is(err, wanted) {
				return fmt.Errorf("deleted: %v, not %v", err, wanted)
			}
		}
		disks, err := admin.DescribeAllLogDirs(ctx, nil)
		if err != nil {
			return err
		}
		brokers, err := admin.ListBrokers(ctx)
		if err != nil {
			return err
		}
		if len(disks) != len(brokers) {
			return fmt.Errorf("%d of %d brokers tell of their disks", len(disks), len(brokers))
		}
		return nil
	})
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	c := &cases{seeds: strings.Split(os.Args[1], ","), count: count}
	codecs := []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()},
		{"gzip", kgo.GzipCompression()},
		{"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()},
		{"zstd", kgo.ZstdCompression()},
	}
	for _, one := range codecs {
		topic := "franz-" + one.name
		name := "franz-go, " + one.name
		if !report.Case(name+": creates", func() error { return c.create(topic) }) {
			continue
		}
		if report.Case(name+": writes", func() error { return c.writes(topic, one.codec) }) {
			report.Case(name+": a group reads", func() error {
				return c.reads(topic, topic+"-group", kgo.RangeBalancer())
			})
		}
	}
	topic := "franz-none"
	for _, balancer := range []kgo.GroupBalancer{
		kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.StickyBalancer(),
		kgo.CooperativeStickyBalancer(),
	} {
		name := "franz-go: three members share, " + balancer.ProtocolName()
		report.Case(name, func() error { return c.shares(topic, balancer) })
	}
	report.Case("franz-go: finds by time", func() error { return c.findsByTime(topic) })
	report.Case("franz-go: administers a group", func() error {
		return c.administers(topic, topic+"-group")
	})
}
