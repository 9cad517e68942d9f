//! Both ends of a WebSocket in memory.

use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;

async fn pair(
    room_bytes: usize,
    patience: Duration,
) -> (Socket<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (server, client) = duplex(room_bytes);
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    (Socket::new(server, patience).await, client)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_long_text_arrives_whole() {
    run(async {
        let (mut server, mut client) = pair(64 * 1024, WRITE_PATIENCE).await;
        for bytes in [0, 1, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, FRAME_BYTES_MAX] {
            // Characters of three bytes are cut anywhere.
            let text: String = "\u{20ac}".repeat(bytes / 3) + &"x".repeat(bytes % 3);
            let (sent, received) = tokio::join!(server.send(text.clone().into()), client.next());
            sent.unwrap();
            assert_eq!(received.unwrap().unwrap().into_text().unwrap().as_str(), text, "{bytes}");
        }
    });
}

#[test]
fn who_does_not_read_is_given_up() {
    run(async {
        let (mut server, client) = pair(1024, Duration::from_millis(50)).await;
        let text = Bytes::from("x".repeat(FRAME_BYTES_MAX));
        assert_eq!(server.send(text.clone()).await, Err(Unsent::Stalled));
        drop(client);
        assert_eq!(server.send(text).await, Err(Unsent::Broken));
    });
}

#[test]
fn only_texts_that_are_short_enough_are_taken() {
    run(async {
        let cases = [
            (Message::text("a"), Received::Text("a".into())),
            (Message::text("x".repeat(FRAME_BYTES_MAX)), Received::Text("x".repeat(FRAME_BYTES_MAX).into())),
            (Message::text("x".repeat(FRAME_BYTES_MAX + 1)), Received::TooLong),
            (Message::binary("a"), Received::Malformed),
            (Message::Close(None), Received::Closed),
            (
                Message::Frame(Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true)),
                Received::Malformed,
            ),
        ];
        for (message, expected) in cases {
            let (mut server, mut client) = pair(4 * FRAME_BYTES_MAX, WRITE_PATIENCE).await;
            client.send(Message::Ping(Bytes::new())).await.unwrap();
            client.send(message).await.unwrap();
            assert_eq!(server.receive().await, expected);
        }
        let (mut server, client) = pair(1024, WRITE_PATIENCE).await;
        drop(client);
        assert!(matches!(server.receive().await, Received::Closed | Received::Broken));
    });
}

#[test]
fn a_close_is_heard_also_in_the_middle_of_a_text() {
    run(async {
        let (mut server, mut client) = pair(64 * 1024, WRITE_PATIENCE).await;
        let half = Frame::message(&b"half"[..], OpCode::Data(Data::Text), false);
        server.stream.send(Message::Frame(half)).await.unwrap();
        let (closed, heard) = tokio::join!(server.close(4009, "replaced"), client.next());
        let () = closed;
        let Some(Ok(Message::Close(Some(frame)))) = heard else { panic!("{heard:?}") };
        assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::from(4009), "replaced"));
    });
}
