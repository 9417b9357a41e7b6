package markup

import (
	"cmp"
	"slices"
	"text/template/parse"
)

// uses reports whether a template or one that it calls is marked.
func uses(trees map[string]*parse.Tree, name string, marked, seen map[string]bool) bool {
	if marked[name] {
		return true
	}
	tree := trees[name]
	if seen[name] || tree == nil {
		return false
	}
	seen[name] = true
	found := false
	eachCall(tree, func(callee string) { found = found || uses(trees, callee, marked, seen) })
	return found
}

// insertMarks puts a mark behind the name of each tag that needs a nonce, and returns
// the names of the templates that have one.
func insertMarks(trees map[string]*parse.Tree, found []*tag, mark []byte) map[string]bool {
	ends := map[*parse.TextNode][]int{}
	for _, t := range found {
		if t.needsNonce() {
			ends[t.text] = append(ends[t.text], t.end)
		}
	}
	marked := map[string]bool{}
	for name, tree := range trees {
		eachList(tree.Root, func(l *parse.ListNode) {
			var nodes []parse.Node
			for _, n := range l.Nodes {
				text, _ := n.(*parse.TextNode)
				at := ends[text]
				if len(at) == 0 {
					nodes = append(nodes, n)
					continue
				}
				marked[name] = true
				nodes = append(nodes, split(text, at, mark)...)
			}
			l.Nodes = nodes
		})
	}
	return marked
}

// split cuts a text at offsets, with a mark at each.
func split(text *parse.TextNode, offsets []int, mark []byte) []parse.Node {
	slices.SortFunc(offsets, cmp.Compare)
	piece := func(from, to int) *parse.TextNode {
		n := text.Copy().(*parse.TextNode)
		n.Text = n.Text[from:to:to]
		n.Pos += parse.Pos(from)
		return n
	}
	var nodes []parse.Node
	from := 0
	for _, to := range offsets {
		stamp := piece(to, to)
		stamp.Text = mark
		nodes = append(nodes, piece(from, to), stamp)
		from = to
	}
	if from < len(text.Text) {
		nodes = append(nodes, piece(from, len(text.Text)))
	}
	return nodes
}

// eachList calls f with a list and all within it. f may exchange the nodes of its list.
func eachList(l *parse.ListNode, f func(*parse.ListNode)) {
	if l == nil {
		return
	}
	f(l)
	for _, n := range l.Nodes {
		if b := branch(n); b != nil {
			eachList(b.List, f)
			eachList(b.ElseList, f)
		}
	}
}

// eachCall calls f with the name of each template that a tree calls.
func eachCall(tree *parse.Tree, f func(name string)) {
	eachList(tree.Root, func(l *parse.ListNode) {
		for _, n := range l.Nodes {
			if n, ok := n.(*parse.TemplateNode); ok {
				f(n.Name)
			}
		}
	})
}

// branch is the common part of the nodes with lists in them, or nil.
func branch(n parse.Node) *parse.BranchNode {
	switch n := n.(type) {
	case *parse.IfNode:
		return &n.BranchNode
	case *parse.WithNode:
		return &n.BranchNode
	case *parse.RangeNode:
		return &n.BranchNode
	}
	return nil
}
