/** @file The text on which models are compared if no other is given: prose, numbers, code, several languages. */

export const builtInTexts: readonly string[] = [
  `The lighthouse on the northern cape was built in 1874, after three ships were lost in a single winter. Its
keeper, a quiet man named Anders, wrote every evening into the same brown book: the wind, the height of the
waves, and what he had seen. "Two sails to the west," he noted on the fourth of March, "and a light that I
cannot explain." Nobody asked him about it for eleven years. When the book was found in 1931, a teacher from
the village copied it by hand, page by page, and sent the copy to the university. There it was read by a young
woman who studied the history of weather. She noticed that the days with the strange light were also the days
on which the pressure had fallen by more than 20 millibars. Her first article was only four pages long, but it
changed how people thought about storms on that coast, because it showed that careful records, kept for no
particular reason, can answer questions which their author never had.`,
  `# Counts how often each word occurs.
def count_words(path: str) -> dict[str, int]:
    counts = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            for word in line.lower().split():
                counts[word] = counts.get(word, 0) + 1
    return counts

The function above needs O(n) steps. For a file of 3,500 lines with 12 words each it reads 42,000 words; at
2.5 microseconds a word, that is about 0.1 s. Das Ergebnis ist eine Tabelle: zum Beispiel "und" 1204, "der"
987, "nicht" 311. En français, les mots les plus fréquents seraient « de », « la » et « le ». In Spanish one
would find "de", "que" and "no". Question: what is 17 * 23? Answer: 17 * 20 = 340 and 17 * 3 = 51, so the
result is 391. Question: which planet is closest to the sun? Answer: Mercury.`,
];
