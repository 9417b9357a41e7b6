package dbmon

import "context"

// The hooks of the caller run outside of locks. One that panics must not take a
// query with it, and still less a goroutine of database/sql, which closes rows
// whose context has ended: it is logged.

func (m *Monitor) tellQuery(k *call, how outcome, err error) {
	defer m.survive("OnQuery")
	m.opts.OnQuery(k.ctx, k.op.String(), k.busy, asContextError(err, how))
}

func (m *Monitor) tellSlow(ctx context.Context, q Query) {
	defer m.survive("OnSlowQuery")
	m.opts.OnSlowQuery(ctx, q)
}

func (m *Monitor) tellLeak(l Leak) {
	defer m.survive("OnLeak")
	m.opts.OnLeak(l)
}

func (m *Monitor) tellRepetition(ctx context.Context, r Repetition) {
	defer m.survive("OnNPlusOne")
	m.opts.OnNPlusOne(ctx, r)
}

func (m *Monitor) tellPlan(p Plan) {
	defer m.survive("Explain.OnPlan")
	m.opts.Explain.OnPlan(p)
}

// ignores is false for a hook that panics.
func (m *Monitor) ignores(r Repetition) bool {
	defer m.survive("NPlusOne.Ignore")
	return m.opts.NPlusOne.Ignore(r)
}

// logger is the hook that all lines go to.
const logger = "Logger"

// survive is deferred by what runs a hook.
func (m *Monitor) survive(hook string) {
	p := recover()
	if p == nil || hook == logger { // there is nobody to tell
		return
	}
	defer m.survive(logger)
	if untold, pass := m.panics.pass(m.now()); pass {
		m.opts.Logger.Error("dbmon: "+hook+" panicked", "panic", p, "untold", untold)
	}
}
