package compress

// Racing is for the tests from outside.
const Racing = racing
