//! Open files: every connection takes one, and a system lets a process have only so many.

/// Files that are no connections: sockets that listen, audit, what is being read again, the runtimes' own.
const OTHERS: u64 = 256;

/// Raises the process's own limit as far as the system lets it, for so many client connections and the backends' beside
/// them. Gives how many files it may have open.
pub(crate) fn raise_limit(max_connections: u32) -> u64 {
    edge::raise_limit_of_open_files(2 * u64::from(max_connections) + OTHERS)
}

/// How many client connections there is room for. A quarter of all files is left for connections to backends: with none
/// left, calls of clients that are let in would fail.
pub(crate) fn connections(max_connections: u32, files: u64) -> usize {
    let room = (files - files / 4).saturating_sub(OTHERS).max(1);
    let connections = u64::from(max_connections).min(room);
    if connections < u64::from(max_connections) {
        tracing::warn!(
            files,
            connections,
            max_connections,
            "the system allows too few open files for `max_connections`: raise `ulimit -Hn` (or LimitNOFILE)"
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_room_for_backends() {
        for (max_connections, files, expected) in
            [(100, 1_048_576, 100), (16_384, 20_000, 14_744), (16_384, 1024, 512), (10, 100, 1)]
        {
            assert_eq!(connections(max_connections, files), expected, "{max_connections} {files}");
        }
    }
}
