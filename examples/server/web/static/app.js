// The page's script: an ordinary client of the API. What users and models write
// goes into text nodes only, never into markup.

const $ = (id) => document.getElementById(id);

function element(tag, properties, ...children) {
	const e = Object.assign(document.createElement(tag), properties);
	e.append(...children);
	return e;
}

function time(instant) {
	const t = new Date(instant);
	const today = t.toDateString() === new Date().toDateString();
	const text = today ? t.toLocaleTimeString([], { timeStyle: "short" }) : t.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
	return element("time", { dateTime: instant, textContent: text });
}

function report(id, text = "", bad = false) {
	$(id).textContent = text;
	$(id).classList.toggle("bad", bad);
}

// explain makes one sentence of a refusal (RFC 9457, or an error frame).
function explain(message, errors = {}) {
	const fields = Object.entries(errors).map(([field, reason]) => `${field} ${reason}`);
	return fields.length ? `${message}: ${fields.join("; ")}` : message;
}

async function api(path, init = {}) {
	let response;
	try {
		response = await fetch(path, { cache: "no-store", ...init }); // what is shown live must not be a copy
	} catch (cause) {
		if (cause.name === "AbortError") throw cause;
		throw new Error("The server cannot be reached.", { cause });
	}
	if (response.ok) return response;
	if (response.status === 401) showSession({ authenticated: false });
	const problem = await response.json().catch(() => ({}));
	throw new Error(explain(problem.detail ?? `The server answered ${response.status}.`, problem.errors));
}

const postJSON = (path, body, init) =>
	api(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), ...init });

// onSubmit runs one submission of a form at a time and shows its failure.
function onSubmit(id, statusID, handle) {
	$(id)?.addEventListener("submit", async (event) => {
		event.preventDefault();
		const form = event.target;
		if (form.ariaBusy === "true") return;
		form.ariaBusy = "true";
		report(statusID);
		try {
			await handle(form);
		} catch (error) {
			report(statusID, error.message, true);
		} finally {
			form.ariaBusy = "false";
		}
	});
}

// --- session ---

function showSession(me) {
	$("login").hidden = me.authenticated;
	$("logout").hidden = !me.authenticated;
	$("username").textContent = me.username ?? "";
	for (const field of $("chat-form").elements) field.disabled = !me.authenticated;
	$("chat-form").body.placeholder = me.authenticated ? "Write a message" : "Log in to write";
	if ($("upload")) { // absent while there is nothing that a file could belong to
		$("upload").hidden = !me.authenticated;
		$("upload-hint").hidden = me.authenticated;
	}
}

onSubmit("login", "login-status", async (form) => {
	const response = await postJSON("/api/login", { username: form.username.value, password: form.password.value });
	form.reset();
	showSession({ authenticated: true, username: (await response.json()).user.username });
	connect(); // a connection keeps the rights it began with
});

onSubmit("logout", "login-status", async () => {
	await api("/api/logout", { method: "POST" });
	showSession({ authenticated: false });
	connect();
});

// --- chat ---

const shown = 200; // messages kept on the page
let socket, retry, failures = 0, unconfirmed = "";

function connect() {
	clearTimeout(retry);
	socket?.close();
	const current = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws/chat");
	socket = current;
	current.onmessage = (event) => receive(JSON.parse(event.data));
	current.onclose = () => {
		if (current !== socket) return; // replaced on purpose
		const seconds = Math.min(30, 2 ** failures++) * (0.5 + Math.random() / 2); // spread out, as all lost it at once
		$("chat-state").textContent = "Connection lost, trying again";
		retry = setTimeout(connect, 1000 * seconds);
	};
}

function receive(frame) {
	switch (frame.kind) {
	case "welcome":
		failures = 0;
		$("chat-state").textContent = `Live. Listeners when you joined: ${frame.listeners}`;
		loadHistory();
		break;
	case "message":
		addMessage(frame.message);
		if (frame.message.body === unconfirmed) unconfirmed = "";
		break;
	case "error":
		report("chat-status", explain(frame.message, frame.errors), true);
		$("chat-form").body.value ||= unconfirmed;
		break;
	}
}

// loadHistory runs after the welcome, so that nothing falls between the two.
async function loadHistory() {
	try {
		const { items } = await (await api("/api/messages?limit=50")).json();
		items.reverse().forEach(addMessage);
	} catch (error) {
		report("chat-status", error.message, true);
	}
}

function addMessage(message) {
	const log = $("chat-log");
	let before = log.lastElementChild;
	while (before && before.messageID > message.id) before = before.previousElementSibling;
	if (before?.messageID === message.id) return;
	const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
	const item = element("div", { messageID: message.id },
		element("span", { className: "who", textContent: message.username }), time(message.created_at),
		element("p", { textContent: message.body }));
	before ? before.after(item) : log.prepend(item);
	while (log.childElementCount > shown) log.firstElementChild.remove();
	if (atEnd) log.scrollTop = log.scrollHeight;
}

onSubmit("chat-form", "chat-status", (form) => {
	if (socket.readyState !== WebSocket.OPEN) throw new Error("The chat is not connected at the moment.");
	unconfirmed = form.body.value;
	socket.send(JSON.stringify({ body: unconfirmed }));
	form.reset();
});

// --- questions ---

// events reads an event stream (HTML Standard §9.2.6). EventSource cannot POST.
async function* events(body) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let buffer = "", name = "", data = [];
	try {
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return; // an event without its empty line does not count
			const lines = (buffer + value).split(/\r\n|\n|\r(?!$)/); // a last CR may be half of a CR LF
			buffer = lines.pop();
			for (const line of lines) {
				const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
				if (line === "") {
					if (data.length) yield { name: name || "message", data: data.join("\n") };
					name = "", data = [];
				} else if (field === "event") name = text;
				else if (field === "data") data.push(text);
			}
		}
	} finally {
		await reader.cancel(); // whoever stops early frees the connection
	}
}

onSubmit("ask-form", "ask-status", async (form) => {
	const button = form.querySelector("button"), answer = $("answer");
	const abort = new AbortController();
	const stop = (event) => (event.preventDefault(), abort.abort());
	button.textContent = "Stop";
	button.addEventListener("click", stop);
	answer.hidden = false;
	answer.ariaBusy = "true"; // a reader then speaks the answer as a whole
	$("answer-text").textContent = "";
	$("answer-sources").replaceChildren();
	try {
		const response = await postJSON("/api/ask", { question: form.question.value }, { signal: abort.signal });
		await showAnswer(response.body);
	} catch (error) {
		if (error.name !== "AbortError") throw error;
		report("ask-status", "Stopped.");
	} finally {
		button.removeEventListener("click", stop);
		button.textContent = "Ask";
		answer.ariaBusy = "false";
		answer.hidden = $("answer-text").textContent === "";
	}
});

async function showAnswer(body) {
	for await (const { name, data } of events(body)) {
		const part = JSON.parse(data);
		switch (name) {
		case "sources":
			$("answer-sources").replaceChildren(...part.map((m) =>
				element("li", {}, element("span", { className: "who", textContent: m.username }), ": " + m.body + " ", time(m.created_at))));
			break;
		case "text":
			$("answer-text").append(part.text);
			break;
		case "error":
			throw new Error(part.text);
		case "done": {
			const tokens = part.prompt_tokens + part.answer_tokens;
			report("ask-status", tokens ? `Answered by ${part.model} with ${tokens} tokens.` : `Answered by ${part.model}.`);
			return;
		}
		}
	}
	throw new Error("The answer was cut off.");
}

// --- files ---

const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

async function loadFiles() {
	const { items } = await (await api("/api/files")).json();
	$("files").replaceChildren(...items.map((f) => element("li", {},
		element("a", { className: "title", href: `/api/files/${f.id}/content`, textContent: f.name }),
		element("span", { className: "facts" }, `${size(f.size)} · ${f.file_type} · `, time(f.created_at)))));
}

onSubmit("upload", "files-status", async (form) => {
	const [field, id] = form.owner.value.split(":");
	const body = new FormData();
	body.append(field, id);
	body.append("file", form.file.files[0]); // the API wants it last
	report("files-status", "Uploading");
	await api("/api/files", { method: "POST", body });
	form.file.value = "";
	await loadFiles();
	report("files-status", "Uploaded.");
});

// --- start ---

showSession(await api("/api/me").then((r) => r.json()).catch(() => ({ authenticated: false })));
connect();
await loadFiles().catch((error) => report("files-status", error.message, true));
