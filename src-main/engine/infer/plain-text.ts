/** @file The text on which a model is checked if no other is given: plain English in simple words. */

export const plainText = `Once upon a time there was a small town near the sea. The people who lived there
worked hard, and most of them knew each other by name. In the middle of the town stood an old house with a red
door. A woman called Anna lived in it with her son Tom and a black cat. Every morning Anna opened the window,
looked at the water, and said, "It is going to be a good day." Then she made tea and bread for breakfast, and
the two of them sat at the table and talked about what they wanted to do.

One day Tom came home from school and was very sad. "What is wrong?" asked his mother. He did not want to tell
her at first, but after a while he said, "I lost the book that Grandpa gave me. I had it in my bag, and now it
is gone." Anna put her hand on his head. "Let us think," she said. "Where did you see it last?" Tom thought for
a moment. "I was on the bridge with Ben. We were watching the boats, and I put my bag down on the ground."

They put on their coats and went out. It was cold, and the wind was strong. On the way they met an old man with
a dog. "Good evening," said Anna. "Have you seen a little green book?" The man smiled. "I have not seen it
myself," he said, "but a girl found something on the bridge about an hour ago. I think she took it to the
shop." So they walked down the street to the shop, and there, next to the apples and the flowers, was the book.
The woman behind the counter gave it to Tom. "You are lucky," she said. "It started to rain just after the girl
brought it in."

Tom was so happy that he did not know what to say. He thanked the woman, and the next day he looked for the
girl at school. Her name was Mary, and she had just moved to the town. She did not know anyone yet. Tom showed
her the bridge, the harbor and the hill behind the church, and he told her the names of all the boats. After
that they were friends. When the summer came, they read the green book together under a big tree, one chapter
every day, until they had finished it. It was the story of a king who lost his way in the forest and learned
that the best things in life cannot be bought. "I like the end," said Mary. "So do I," said Tom. "But I like
the beginning even more, because that is where everything can still happen."
`;
