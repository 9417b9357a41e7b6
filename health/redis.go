package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// RedisDo sends a command to a Redis server and returns its reply, or an error
// with the text of an error reply. With go-redis it is
//
//	func(ctx context.Context, args ...any) (any, error) { return rdb.Do(ctx, args...).Result() }
//
// whose Options.ContextTimeoutEnabled must be set, or it does not return when ctx
// ends. RedisDo may class errors that only the client knows, such as a full pool,
// by [WithReason] and [Degraded].
type RedisDo func(ctx context.Context, args ...any) (any, error)

// Ping is a check of anything that has a ping of its own.
func Ping(ping func(ctx context.Context) error) Func {
	if ping == nil {
		return func(context.Context) error { return errors.New("health: Ping: no function") }
	}
	return ping
}

// Redis checks a Redis server, or one that speaks its protocol, without writing
// to it: PING, and then INFO, which tells what PING does not.
//
// A server that answers but would refuse writes is degraded: a replica that is
// read-only and a server that cannot save its data (MISCONF) as [ReasonReadOnly],
// one without memory that may evict nothing as [ReasonFull]. Without the right to
// INFO only PING counts. A proxy that has no INFO at all and closes the connection
// is better checked with [Ping]; to be sure of writes, or of a cluster, there is
// [RedisWrite].
//
// The facts are role, used_memory_bytes and max_memory_bytes.
func Redis(do RedisDo) Func {
	if do == nil {
		return func(context.Context) error { return errors.New("health: Redis: no function") }
	}
	return func(ctx context.Context) error {
		pong, err := do(ctx, "PING")
		if err != nil {
			return unlessWrites(err)
		}
		if text := replyText(pong); text != "PONG" {
			return fmt.Errorf("health: PING was answered with %.32q", text)
		}
		reply, err := do(ctx, "INFO")
		switch {
		case err != nil && isReply(err):
			return nil // no right to ask, or another kind of server
		case err != nil:
			return err
		}
		return writable(ctx, parseInfo(replyText(reply)))
	}
}

// RedisWrite checks that a Redis server takes writes, by setting the key to
// expire within a second. A server that refuses them while it serves reads is
// degraded, as with [Redis]. The key must be one that nobody else uses; all
// replicas of a service may share it.
func RedisWrite(do RedisDo, key string) Func {
	switch {
	case do == nil:
		return func(context.Context) error { return errors.New("health: RedisWrite: no function") }
	case key == "":
		return func(context.Context) error { return errors.New("health: RedisWrite: no key") }
	}
	return func(ctx context.Context) error {
		_, err := do(ctx, "SET", key, "1", "PX", 1000)
		return unlessWrites(err)
	}
}

// unlessWrites degrades an error reply by which only writes are refused.
func unlessWrites(err error) error {
	if err == nil {
		return nil
	}
	switch reason := cmp.Or(redisReason(err), textReason(err)); reason {
	case ReasonReadOnly, ReasonFull:
		return Degraded(WithReason(err, reason))
	}
	return err
}

// isReply tells an error reply of the server from an error on the way to it. All
// error replies start with a word in upper case, as no error of Go does.
func isReply(err error) bool {
	var reply interface {
		error
		RedisError()
	}
	if errors.As(err, &reply) {
		return true
	}
	for range maxDepth {
		if err == nil {
			return false
		}
		word, _, more := strings.Cut(err.Error(), " ")
		if more && len(word) > 1 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && word != "EOF" {
			return true
		}
		err = errors.Unwrap(err)
	}
	return false
}

// replyText is a reply as a string: clients return one or bytes.
func replyText(reply any) string {
	switch r := reply.(type) {
	case string:
		return r
	case []byte:
		return string(r)
	}
	return ""
}

// parseInfo reads what INFO replies: lines of a name, a colon and a value.
func parseInfo(s string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(s) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// writable tells from INFO whether the server would take a write.
func writable(ctx context.Context, info map[string]string) error {
	if role := info["role"]; role != "" {
		Set(ctx, "role", role)
	}
	used, limit := infoNumber(info, "used_memory"), infoNumber(info, "maxmemory")
	if used > 0 {
		Set(ctx, "used_memory_bytes", used)
	}
	if limit > 0 {
		Set(ctx, "max_memory_bytes", limit)
	}
	if info["role"] == "slave" && info["slave_read_only"] == "1" {
		return Degraded(WithReason(errors.New("health: the Redis server is a read-only replica"), ReasonReadOnly))
	}
	// Buffers for replicas and the append-only file may go beyond the limit.
	counted := used - infoNumber(info, "mem_not_counted_for_evict")
	if limit > 0 && counted > limit && !canEvict(info) {
		return Degraded(WithReason(fmt.Errorf("health: the Redis server uses %d of %d bytes of memory and may evict nothing",
			counted, limit), ReasonFull))
	}
	return nil
}

// canEvict reports whether there is anything that the server may throw away when
// its memory is full: any key, or one that expires.
func canEvict(info map[string]string) bool {
	policy, what := info["maxmemory_policy"], ",keys="
	switch {
	case policy == "noeviction":
		return false
	case strings.HasPrefix(policy, "volatile-"):
		what = ",expires="
	}
	for name, value := range info { // db0:keys=3,expires=0,avg_ttl=0
		number, isDB := strings.CutPrefix(name, "db")
		if _, err := strconv.ParseUint(number, 10, 32); !isDB || err != nil {
			continue
		}
		if _, count, ok := strings.Cut(","+value, what); ok && !strings.HasPrefix(count, "0") {
			return true
		}
	}
	return false
}

func infoNumber(info map[string]string, name string) int64 {
	n, err := strconv.ParseInt(info[name], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
