//! A real browser: Debian's Chromium without a window, steered by chromedriver over WebDriver, which is JSON over HTTP.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::listener::read_message;
use super::ports::free_port;
use super::process::{Process, program};

pub struct Browser {
    _driver: Process,
    port: u16,
    session: String,
    _dir: TempDir,
}

/// Root may not use its sandbox, and nothing of its own shall look for the network.
const CHROMIUM: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-breakpad --disable-dev-shm-usage";

const PATIENCE: Duration = Duration::from_secs(60);

impl Browser {
    pub fn start() -> Self {
        let dir = super::temp_dir();
        let driver = program("chromedriver", "chromium-driver");
        let (process, port) = std::iter::repeat_with(|| {
            let port = free_port();
            let command = [driver.clone(), format!("--port={port}")];
            let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
            Process::start(&command, dir.path(), answers).map(|process| (process, port))
        })
        .flatten()
        .next()
        .unwrap();
        let profile = format!("--user-data-dir={}", dir.path().join("profile").display());
        let options = json!({
            "binary": program("chromium", "chromium"),
            "args": CHROMIUM.split_whitespace().chain([&profile[..]]).collect::<Vec<_>>(),
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let answer = request(port, "POST", "/session", &capabilities);
        Browser {
            _driver: process,
            port,
            session: answer["sessionId"].as_str().unwrap().to_owned(),
            _dir: dir,
        }
    }

    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// The value of a JavaScript expression.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// What is to be read in the elements that a CSS selector finds, as far as they can be seen.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let all = format!("[...document.querySelectorAll({selector:?})]");
        let seen =
            self.value(&format!("{all}.filter(element => element.checkVisibility()).map(element => element.textContent.trim())"));
        serde_json::from_value(seen).unwrap()
    }

    /// The only one of them, or nothing.
    pub fn text(&self, selector: &str) -> String {
        self.texts(selector).join(" | ")
    }

    /// As by a mouse.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// As by a keyboard, into the element that has the focus. WebDriver's names of keys: `\u{e004}` is Tab, `\u{e007}` Enter.
    pub fn keys(&self, keys: &str) {
        let strokes: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!([{"type": "key", "id": "keyboard", "actions": strokes}]);
        self.post("actions", &json!({ "actions": keyboard }));
    }

    /// A screen of this size in CSS pixels, twice as fine, light or dark.
    pub fn screen(&self, width: u32, height: u32, scheme: &str) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &scheme);
    }

    /// What the screen shows, as a PNG in base64.
    pub fn picture(&self) -> String {
        let picture = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        picture["data"].as_str().unwrap().to_owned()
    }

    /// What the console says since it was last asked: errors of scripts, and what a Content-Security-Policy refused.
    pub fn console(&self) -> Vec<String> {
        self.log("browser")
    }

    /// Every URL that was asked for since this was last asked.
    pub fn requested(&self) -> Vec<String> {
        let events = self.log("performance").into_iter();
        let events = events.map(|event| serde_json::from_str::<Value>(&event).unwrap());
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| {
                let url = &event["message"]["params"]["request"]["url"];
                url.as_str().unwrap().to_owned()
            })
            .collect()
    }

    fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": kind }));
        let entries = entries.as_array().unwrap().iter();
        entries
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post(
            "element",
            &json!({"using": "css selector", "value": selector}),
        );
        let id = found.as_object().unwrap().values().next().unwrap();
        id.as_str().unwrap().to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post(
            "goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        request(self.port, "POST", &path, body)
    }
}

impl Drop for Browser {
    /// Chromium's last files are written before its directory goes.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let path = format!("/session/{}", self.session);
            request(self.port, "DELETE", &path, &json!({}));
        }
    }
}

fn request(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let answer = read_message(&mut stream).expect("chromedriver answers");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {body}");
    serde_json::from_str::<Value>(body).unwrap()["value"].take()
}
