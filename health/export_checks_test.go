package health

import "context"

// Judge is what a checker makes of the error of a check.
func Judge(err error) (status, reason string) {
	o := judge(err, nil)
	return o.level.String(), o.reason
}

// Run runs a check once and returns its facts too.
func Run(ctx context.Context, f Func) (map[string]any, error) {
	var collected facts
	err := f(context.WithValue(ctx, factsKey{}, &collected))
	return collected.take(), err
}
