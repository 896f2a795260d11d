// Package report writes one line per case: `pass NAME` or `FAIL NAME: why`. `run` counts them.
package report

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Case runs a check, which fails by an error; it tells whether it passed.
func Case(name string, check func() error) bool {
	start := time.Now()
	if err := check(); err != nil {
		why := strings.ReplaceAll(err.Error(), "\n", " ")
		fmt.Printf("FAIL %s: %.400s\n", name, why)
		return false
	}
	fmt.Printf("pass %s (%.1f s)\n", name, time.Since(start).Seconds())
	return true
}

// What a client says when it meets a broker that is down, or that ends in the midst of an answer.
var away = []string{"connection refused", "connection reset", "broken pipe", "EOF", "out of available brokers"}

// Asked asks once, as a person who administers does; and again, while brokers are killed all the time, whenever
// one was not there. What was done already is done then.
func Asked(check func() error, done ...error) error {
	end := time.Now().Add(time.Minute)
	for tries := 0; ; tries++ {
		err := check()
		if err == nil {
			return nil
		}
		for _, code := range done {
			if tries > 0 && errors.Is(err, code) {
				return nil
			}
		}
		if !Away(err) || time.Now().After(end) {
			return err
		}
	}
}

// Away tells whether brokers are killed all the time and one was not there; then it waits for a moment.
func Away(err error) bool {
	if os.Getenv("INTEROP_TORTURE") == "" {
		return false
	}
	for _, said := range away {
		if strings.Contains(err.Error(), said) {
			time.Sleep(200 * time.Millisecond)
			return true
		}
	}
	return false
}

// Records is what a group reads: every record once, in the order of its partition. Where brokers are killed all
// the time, a member that could not commit what it had read reads it again: from some record on, in order too.
type Records struct {
	Count int
	Seen  int
	// The next record of each partition that was read in order, and the first that was never read.
	next, fresh map[int32]int
}

// Partitions of every topic here.
const Partitions = 3

// Epoch is the timestamp of record 0, in milliseconds since 1970: an hour ago, as retention would
// delete what is older than a week.
var Epoch = time.Now().Add(-time.Hour).UnixMilli()

// Value of a record.
func Value(i int) string {
	return strings.Repeat(fmt.Sprintf("value %d ", i), 1+i%7)
}

// Add checks the next record of a partition.
func (r *Records) Add(partition int32, key, value, header string, millis int64) error {
	if r.next == nil {
		r.next, r.fresh = map[int32]int{}, map[int32]int{}
	}
	var i int
	if _, err := fmt.Sscanf(key, "%d", &i); err != nil {
		return fmt.Errorf("key %q", key)
	}
	wanted, known := r.next[partition]
	if !known {
		wanted = int(partition)
	}
	again := os.Getenv("INTEROP_TORTURE") != "" && i < wanted && i%Partitions == int(partition)
	switch {
	case i != wanted && !again:
		return fmt.Errorf("partition %d: %d, not %d", partition, i, wanted)
	case value != Value(i):
		return fmt.Errorf("value of %d: %.80q", i, value)
	case header != key:
		return fmt.Errorf("header of %d: %q", i, header)
	case millis != Epoch+int64(i):
		return fmt.Errorf("timestamp of %d: %d", i, millis)
	}
	r.next[partition] = i + Partitions
	if r.next[partition] > r.fresh[partition] {
		r.fresh[partition] = r.next[partition]
		r.Seen++
	}
	return nil
}

// Ends are the offsets after the last record of each partition.
func Ends(count int) [Partitions]int64 {
	var ends [Partitions]int64
	for i := 0; i < count; i++ {
		ends[i%Partitions]++
	}
	return ends
}
