// Package cgroup reads what Linux says about the control groups of this
// process, in version 1, version 2 and both at once: where they are, their
// limits and those of the cgroups above them, and what is used of each.
//
// Guarantees:
//   - What the system does not have is absent, never zero and never an error.
//     What is there and cannot be understood is an error.
//   - A cgroup that cannot be seen from here, behind a cgroup namespace or a
//     mount, is never mistaken for one of ours.
//   - Only the standard library is imported.
//
// Not guaranteed: limits of cgroups that cannot be seen are not known, except
// those of memory in version 1.
//
// Cost: about 10 us and no garbage but its path for a file.
package cgroup
