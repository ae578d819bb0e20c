/** @file Requests and connections of tests to a server on this computer. */
import { request as httpRequest } from 'node:http';
import type { WebSocket } from 'ws';

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Sends a request to a port of this computer. */
export const getFrom = (
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  sent?: string,
): Promise<HttpResponse> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers };
    const request = httpRequest(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, body });
      });
    });
    request.on('error', reject).end(sent);
  });

/** `open` with the protocol, or the status of the refusal. */
export const outcomeOf = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    socket.on('open', () => {
      resolve(`open ${socket.protocol}`);
      socket.terminate();
    });
    socket.on('unexpected-response', (_, response) => {
      resolve(String(response.statusCode));
    });
    socket.on('error', () => undefined);
  });
