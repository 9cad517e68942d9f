//! What servers answer, over real connections.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const WANTED: Wanted = Wanted { accept: "text/plain", max_bytes: 10 };

/// Answers one request with these bytes and closes; says what was asked.
async fn answering(answer: &str) -> (Uri, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/document?token=secret", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let read = socket.read_buf(&mut asked).await.unwrap();
            assert_ne!(read, 0, "{asked:?}");
        }
        // A client that has read enough leaves.
        let _left = socket.write_all(answer.as_bytes()).await;
        String::from_utf8(asked).unwrap()
    });
    (uri.parse().unwrap(), server)
}

#[tokio::test]
async fn only_a_whole_document_of_a_good_answer_is_taken() {
    let old = HeaderValue::from_static("\"old\"");
    let head = "HTTP/1.1 200 OK\r\netag: \"new\"\r\n";
    let endless = format!("{head}transfer-encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567\r\n");
    for (answer, etag, expected) in [
        (format!("{head}content-length: 10\r\n\r\n0123456789"), None, Ok(Some("0123456789"))),
        (format!("{head}content-length: 2\r\n\r\nab"), Some(&old), Ok(Some("ab"))),
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), Some(&old), Ok(None)),
        // Nobody asked whether it is another one.
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), None, Err("status")),
        (format!("{head}content-length: 11\r\n\r\n01234567890"), None, Err("body")),
        (endless, None, Err("body")),
        (format!("{head}content-length: 10\r\n\r\n01234"), None, Err("body")),
        (
            "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".to_owned(),
            None,
            Err("status"),
        ),
        ("HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\n\r\na".to_owned(), None, Err("status")),
        ("HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n".to_owned(), Some(&old), Err("status")),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), None, Err("unreachable")),
        (String::new(), None, Err("unreachable")),
    ] {
        let (uri, server) = answering(&answer).await;
        let fetched = Fetcher::new(None, &uri).unwrap().get_unless(uri, WANTED, etag).await;
        let asked = server.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("get /document?token=secret http/1.1\r\n"), "{asked}");
        assert_eq!(asked.contains("\r\nif-none-match: \"old\"\r\n"), etag.is_some(), "{asked}");
        match (&fetched, expected) {
            (Ok(Some((headers, body))), Ok(Some(text))) => {
                assert_eq!(
                    (body.as_ref(), super::etag(headers).unwrap().as_ref()),
                    (text.as_bytes(), &b"\"new\""[..])
                );
            }
            (Ok(None), Ok(None)) => {}
            (Err(error), Err(name)) => {
                assert_eq!(error.name(), name, "{answer}: {error}");
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            _ => panic!("{answer}: {fetched:?}, not {expected:?}"),
        }
    }
}
