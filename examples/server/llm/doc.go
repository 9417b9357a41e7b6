// Package llm answers questions with a language model that Ollama serves, or,
// where there is none, with a stand-in that quotes and says so.
//
// Both guarantee that they stop as soon as the context ends or nobody takes the
// text, and that an error holds a public sentence apart from its cause, which
// never names the credentials of a URL.
//
// What a model writes is not trustworthy. The sources are text of users, and
// one of them may talk the model into anything (prompt injection); the prompt
// makes that harder, not impossible. So nothing a model writes may be run, or
// shown as other than plain text, and nothing may be among the sources that the
// asker must not see.
package llm
