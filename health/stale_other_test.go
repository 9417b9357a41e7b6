//go:build !unix

package health_test

// suspendable is for systems whose processes can be stopped.
const suspendable = "SLUICE_TEST_HEALTH_SUSPENDABLE"

func serveSuspendable() {}
