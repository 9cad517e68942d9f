//! A client of event streams, by the letter of the WHATWG HTML standard ("Interpreting an event stream"): decoded
//! first, then line by line, then field by field. It shares nothing with the splitter.

/// What a client hands to its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dispatched {
    pub(crate) event_type: String,
    pub(crate) data: String,
    pub(crate) last_id: String,
}

/// All that is dispatched of a stream, and the reconnection time that it sets last.
pub(crate) fn read(stream: &[u8]) -> (Vec<Dispatched>, Option<String>) {
    let text = String::from_utf8_lossy(stream);
    let mut client = Client::default();
    let mut line = String::new();
    let mut characters = text.strip_prefix('\u{feff}').unwrap_or(&text).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' | '\n' => {
                if character == '\r' && characters.peek() == Some(&'\n') {
                    characters.next();
                }
                client.line(&std::mem::take(&mut line));
            }
            other => line.push(other),
        }
    }
    // A last line without an end is no line, and what was not dispatched is dropped.
    (client.dispatched, client.retry)
}

#[derive(Default)]
struct Client {
    data: String,
    event_type: String,
    last_id: String,
    retry: Option<String>,
    dispatched: Vec<Dispatched>,
}

impl Client {
    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match line.split_once(':') {
            Some(("", _)) => return,
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "event" => self.event_type = value.to_owned(),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.last_id = value.to_owned(),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => self.retry = Some(value.to_owned()),
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let event_type = std::mem::take(&mut self.event_type);
        let mut data = std::mem::take(&mut self.data);
        if data.pop().is_none() {
            return;
        }
        let event_type = if event_type.is_empty() { "message".to_owned() } else { event_type };
        self.dispatched.push(Dispatched { event_type, data, last_id: self.last_id.clone() });
    }
}
