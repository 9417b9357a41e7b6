// Reads header sets by name from stdin, and writes what graders say of each.
import { readFileSync } from "node:fs";
import { ALL_TESTS } from "@mdn/mdn-http-observatory/src/constants.js";
import { MINIMUM_SCORE_FOR_EXTRA_CREDIT } from "@mdn/mdn-http-observatory/src/grader/charts.js";
import { getGradeForScore, getScoreModifier } from "@mdn/mdn-http-observatory/src/grader/grader.js";
import { Requests } from "@mdn/mdn-http-observatory/src/types.js";
import { AxiosHeaders } from "axios";
import { CookieJar } from "tough-cookie";
import evaluator from "csp_evaluator/dist/evaluator.js";
import finding from "csp_evaluator/dist/finding.js";
import parser from "csp_evaluator/dist/parser.js";

// observe does what the package's scan does, with answers that are here already.
const observe = ({ host, secure, plain }) => {
	const requests = new Requests(host);
	const answer = ({ status, headers }) => ({
		status, headers: new AxiosHeaders(headers), verified: true, request: { headers: new AxiosHeaders() },
	});
	requests.session = { url: new URL(`https://${host}/`), jar: new CookieJar() };
	requests.resources.path = secure.body;
	requests.responses.auto = answer(secure);
	requests.responses.cors = answer(secure);
	requests.responses.https = answer(secure);
	requests.responses.http = answer(plain);
	requests.responses.httpRedirects = [
		{ url: new URL(`http://${host}/`), status: plain.status },
		{ url: new URL(plain.headers.location[0]), status: secure.status },
	];
	const tests = {};
	let credit = 0;
	let penalty = 0;
	for (const test of ALL_TESTS) {
		const output = test(requests);
		const points = getScoreModifier(output.result);
		tests[output.constructor.name] = { ...output, points };
		if (points > 0) credit += points;
		else penalty -= points;
	}
	if (100 - penalty < MINIMUM_SCORE_FOR_EXTRA_CREDIT) credit = 0;
	return { ...getGradeForScore(100 + credit - penalty), tests };
};

const evaluate = (policy, ...more) =>
	new evaluator.CspEvaluator(new parser.CspParser(policy).csp)
		.evaluate(...more)
		.map((f) => `${finding.Severity[f.severity]} ${finding.Type[f.type]} ${f.directive} ${f.value ?? ""}`.trim());

const grade = (set) => {
	const policy = set.secure.headers["content-security-policy"][0];
	return { ...observe(set), findings: evaluate(policy), advice: evaluate(policy, evaluator.STRICTCSP_CHECKS, []) };
};

const sets = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, grade(set)]))));
