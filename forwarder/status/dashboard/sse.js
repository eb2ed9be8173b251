// Server-sent events out of a stream of bytes. The browser's own EventSource can send no token.

// Yields {event, data} for each event and null for whatever else arrives, such as a heartbeat. `retry:` sets how long the server wants us to wait.
export async function* serverSentEvents(body, onRetry = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "message";
  let data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield { event, data: data.join("\n") };
        event = "message";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const content = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event = content;
      else if (field === "data") data.push(content);
      else if (field === "retry" && /^\d+$/.test(content)) onRetry(Number(content));
    }
    yield null;
  }
}
