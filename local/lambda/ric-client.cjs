/**
 * Preloaded (node --require) before aws-lambda-ric: stands in for its native add-on `rapid-client.node`, which needs a
 * C++ compiler at install time. Three functions that speak the Runtime API over HTTP; everything else (loading the
 * handler, its context, logging, errors) is the real runtime client.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
const http = require('node:http');
const { registerHooks } = require('node:module');
const { pathToFileURL } = require('node:url');

// One socket keeps the order: an answer is on the wire before the next invocation is asked for.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function send(method, path, body) {
  const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, method, agent, headers, path: `/2018-06-01/runtime/invocation/${path}` },
      (response) => {
        let bodyJson = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          bodyJson += chunk;
        });
        response.on('end', () => resolve({ bodyJson, headers: response.headers }));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Waits for the next invocation. */
exports.next = () => send('GET', 'next');

/** Sends the handler's answer. The native function returns nothing, and so does this. */
exports.done = (id, bodyJson) => {
  void send('POST', `${id}/response`, bodyJson);
};

/** Sends what the handler threw. */
exports.error = (id, bodyJson) => {
  void send('POST', `${id}/error`, bodyJson);
};

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier === './rapid-client.node') {
      return { url: pathToFileURL(__filename).href, format: 'commonjs', shortCircuit: true };
    }
    return nextResolve(specifier, context);
  },
});
