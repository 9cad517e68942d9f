//! Open files: every link takes one.

/// Files that are no links: the API's connections, the store's, what is being read again, the runtime's own.
const OTHERS: usize = 1024;

/// Raises the process's own limit of open files as far as the system lets it, and gives how many links there is room for.
/// Were all files taken, the API could let nobody in.
pub(crate) fn links(links_max: usize) -> usize {
    let wanted = u64::try_from(links_max.saturating_add(OTHERS)).unwrap_or(u64::MAX);
    let files = edge::raise_limit_of_open_files(wanted);
    let links = room(links_max, files);
    if links < links_max {
        tracing::warn!(
            files,
            links,
            links_max,
            "the system allows too few open files for so many proxies: raise `ulimit -Hn` (or LimitNOFILE)"
        );
    }
    links
}

fn room(links_max: usize, files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    // Of few files, half.
    links_max.min(files.saturating_sub(OTHERS).max(files / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_room_for_the_api() {
        for (files, expected) in
            [(1_048_576, 10_000), (11_024, 10_000), (4096, 3072), (1024, 512), (u64::MAX, 10_000)]
        {
            assert_eq!(room(10_000, files), expected, "{files}");
        }
    }
}
