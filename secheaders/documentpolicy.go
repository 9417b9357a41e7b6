package secheaders

import "github.com/sluice-go/sluice/internal/httpheader"

// DocumentPolicy is a Document-Policy as it is on the wire, such as "js-profiling" or
// "expect-no-linked-resources, *;report-to=security". Only Chromium has it, and its
// features come and go: their names are not checked, their syntax is, as one fault
// makes browsers ignore all of it.
type DocumentPolicy string

// faults checks the dictionary. A feature has one value, and "*" stands for where all
// of them report to (Document Policy §6.1.2).
func (p DocumentPolicy) faults(f *faults, field string) {
	members, err := httpheader.ParseSFDictionary(string(p))
	if err != nil {
		f.add(field, "%s", err)
		return
	}
	if len(members) == 0 {
		f.add(field, "it is blank; Omit stands for none")
	}
	seen := map[string]bool{}
	for _, m := range members {
		switch {
		case m.InnerList:
			f.add(field, "%s has a list where features have one value", m.Key)
		case seen[m.Key]:
			f.add(field, "%s occurs twice, and the last one would win (RFC 9651 §4.2.2)", m.Key)
		}
		seen[m.Key] = true
		for _, param := range m.Params {
			if param.Key != "report-to" {
				f.add(field, "%s has a parameter %s, which no feature has", m.Key, param.Key)
			} else if !httpheader.IsSFKey(param.Value) {
				f.add(field, "%s reports to %s, which is no name in Reporting-Endpoints", m.Key, param.Value)
			}
		}
	}
}
