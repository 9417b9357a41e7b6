package dbmon

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// What of a plan is kept.
const (
	maxPlan      = 16 << 10
	maxPlanDepth = 64
	maxPlanRows  = 1000
)

// outline is a plan as text: indented lines, bounded.
type outline struct {
	dialect fingerprint.Dialect
	b       strings.Builder
	full    bool
	depths  map[int64]int // of nodes by their number
}

// line adds a line. What is in it comes from the server: names may have line
// breaks.
func (o *outline) line(depth int, text string) {
	if o.full {
		return
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Repeat("  ", depth) + text + "\n"
	if room := maxPlan - len(fingerprint.More) - o.b.Len(); len(text) > room {
		for room > 0 && !utf8.RuneStart(text[room]) {
			room--
		}
		text, o.full = text[:room]+fingerprint.More, true
	}
	o.b.WriteString(text)
}

// expression takes the values out of a piece of a statement.
func (o *outline) expression(text string) string {
	return fingerprint.Redact(o.dialect, text)
}

// foreign takes the values out of what may be in any language.
func foreign(text string) string { return fingerprint.Redact(fingerprint.Unknown, text) }

// sqlite takes a row of EXPLAIN QUERY PLAN: a node, and the one that it is below.
func (o *outline) sqlite(_ []string, row []driver.Value) error {
	if len(row) != 4 {
		return errNoPlan
	}
	id, _ := row[0].(int64)
	parent, _ := row[1].(int64)
	depth := 0
	if above, found := o.depths[parent]; found {
		depth = min(above+1, maxPlanDepth)
	}
	if o.depths == nil {
		o.depths = map[int64]int{}
	}
	o.depths[id] = depth
	o.line(depth, o.expression(textOfValue(row[3])))
	return nil
}

// mysql takes a row of EXPLAIN: a table. What is in the columns that it knows
// are names, numbers and words.
func (o *outline) mysql(columns []string, row []driver.Value) error {
	var parts []string
	for i, name := range columns {
		value := textOfValue(row[i])
		if value == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "id", "select_type", "table", "partitions", "type", "possible_keys", "key", "key_len", "ref", "rows", "filtered":
		default: // Extra, and whatever comes
			value = o.expression(value)
		}
		parts = append(parts, name+"="+value)
	}
	o.line(0, strings.Join(parts, " "))
	return nil
}

// postgres takes the one row with the whole plan as JSON: in the text format, the
// lines of a value with line breaks look like lines of the plan.
func (o *outline) postgres(_ []string, row []driver.Value) error {
	if len(row) != 1 {
		return errNoPlan
	}
	var all []struct{ Plan planNode }
	if json.Unmarshal([]byte(textOfValue(row[0])), &all) != nil {
		return errNoPlan // the error would quote it
	}
	for _, one := range all {
		o.node(0, one.Plan)
	}
	return nil
}

// textOfValue is a value that a driver returned, as text.
func textOfValue(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

var errNoPlan = errors.New("dbmon: the answer is not what EXPLAIN returns")

// planNode is a node of a plan of PostgreSQL, by its keys (PostgreSQL, EXPLAIN).
type planNode map[string]any

// name is a word of PostgreSQL or the name of something in the database.
func (n planNode) name(key string) string {
	s, _ := n[key].(string)
	return s
}

func (n planNode) number(key string, decimals int) string {
	f, _ := n[key].(float64)
	return strconv.FormatFloat(f, 'f', decimals, 64)
}

func (o *outline) node(depth int, n planNode) {
	if depth > maxPlanDepth || o.full {
		return
	}
	o.line(depth, n.title())
	for _, key := range n.details() {
		if text := o.detail(key, n[key]); text != "" {
			o.line(depth+1, key+": "+text)
		}
	}
	below, _ := n["Plans"].([]any)
	for _, b := range below {
		if m, ok := b.(map[string]any); ok {
			o.node(depth+1, m)
		}
	}
}

// title is the first line of a node, as the text format has it.
func (n planNode) title() string {
	var b strings.Builder
	if s := n.name("Subplan Name"); s != "" {
		b.WriteString(s + ": ")
	}
	b.WriteString(n.name("Node Type"))
	if s := n.name("Join Type"); s != "" && s != "Inner" {
		b.WriteString(" (" + s + ")")
	}
	if s := n.name("Index Name"); s != "" {
		b.WriteString(" using " + s)
	}
	on := ""
	for _, key := range []string{"Relation Name", "CTE Name", "Function Name", "Table Function Name"} {
		if s := n.name(key); s != "" {
			on = s
			b.WriteString(" on " + s)
		}
	}
	if s := n.name("Alias"); s != "" && s != on {
		b.WriteString(" " + s)
	}
	fmt.Fprintf(&b, "  (cost=%s..%s rows=%s width=%s)",
		n.number("Startup Cost", 2), n.number("Total Cost", 2), n.number("Plan Rows", 0), n.number("Plan Width", 0))
	return b.String()
}

// details are the keys that are not in the title, without those that say little.
func (n planNode) details() []string {
	var keys []string
	for key := range n {
		switch key {
		case "Plans", "Subplan Name", "Node Type", "Join Type", "Index Name", "Relation Name", "CTE Name", "Function Name",
			"Table Function Name", "Alias", "Schema", "Startup Cost", "Total Cost", "Plan Rows", "Plan Width",
			"Parent Relationship", "Parallel Aware", "Async Capable", "Inner Unique", "Scan Direction", "Disabled":
		default:
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// detail is the value of a key, or empty where there is nothing to say.
func (o *outline) detail(key string, value any) string {
	switch v := value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		switch key {
		case "Strategy", "Partial Mode", "Command", "Operation":
			return v
		case "Filter", "Join Filter", "One-Time Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond",
			"Order By", "Cache Key", "Run Condition", "Function Call", "Table Function Call":
			return o.expression(v)
		}
		return foreign(v)
	case []any:
		var parts []string
		for _, one := range v {
			s, isText := one.(string)
			switch {
			case !isText:
			case key == "Sort Key", key == "Presorted Key", key == "Group Key", key == "Output":
				parts = append(parts, o.expression(s))
			default:
				parts = append(parts, foreign(s))
			}
		}
		return strings.Join(parts, ", ")
	default:
		return ""
	}
}
